import type { App } from "@holdfast/api/http/fastify-app.ts";
import type { JsonSchema } from "./json-schemas.ts";

/** As much of an OpenAPI description as is needed to make requests and to judge their answers. */
interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
}

interface OpenApiOperation {
  readonly parameters?: readonly {
    readonly in: "path" | "query" | "header";
    readonly name: string;
    readonly schema: JsonSchema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> };
  readonly responses: Readonly<
    Record<
      string,
      {
        readonly headers?: Readonly<Record<string, { readonly required?: boolean; readonly schema: JsonSchema }>>;
        readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>>;
      }
    >
  >;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
}

/** One operation of the description: a method on a path. */
export interface Operation extends OpenApiOperation {
  readonly method: string;
  /** With its parameters in braces: /orders/{id}. */
  readonly path: string;
}

type Described = OpenApi & { readonly components: { readonly schemas: Readonly<Record<string, unknown>> } };

/** The description with each reference replaced by the schema it names; none refers to itself. */
function resolveReferences<T>(value: T, schemas: Readonly<Record<string, unknown>>): T {
  if (Array.isArray(value)) return value.map((one) => resolveReferences(one, schemas)) as T;
  if (value === null || typeof value !== "object") return value;
  const { $ref } = value as { $ref?: unknown };
  if (typeof $ref === "string") return resolveReferences(schemas[$ref.split("/").at(-1) ?? ""], schemas) as T;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, resolveReferences(one, schemas)])) as T;
}

/** The operations that a running API says it has. */
export async function operationsOf(app: App): Promise<Operation[]> {
  const description = (await app.inject("/docs/json")).json<Described>();
  const { paths } = resolveReferences(description, description.components.schemas);
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, path, method: method.toUpperCase() })),
  );
}

/** The operation that a request means, if any: HEAD is GET without the body. */
export function operationFor(operations: readonly Operation[], method: string, url: string): Operation | null {
  const path = url.split(/[?#]/)[0] ?? "";
  const wanted = method === "HEAD" ? "GET" : method;
  const segments = path.split("/");
  const fits = (operation: Operation) => {
    const own = operation.path.split("/");
    if (own.length !== segments.length) return false;
    return own.every((segment, i) => segment.startsWith("{") || segment === segments[i]);
  };
  return operations.find((operation) => operation.method === wanted && fits(operation)) ?? null;
}
