import { isDeepStrictEqual } from "node:util";
import { invariant } from "@holdfast/shared/invariant.ts";

/** Any part of a description. */
type Part = Record<string, unknown>;

/**
 * Gives every schema that has a title its place among the components, so that a generated client
 * has a type of that name to import, and each of its occurrences a reference. Headers are marked as
 * required unless a schema says `x-optional`.
 */
export function nameSchemas<T extends object>(description: T): T {
  const schemas: Record<string, Part> = {};
  const walk = (value: unknown, isExample = false): unknown => {
    if (Array.isArray(value)) return value.map((one) => walk(one, isExample));
    if (value === null || typeof value !== "object" || isExample) return value;
    const part = value as Part;
    const walked: Part = {};
    for (const [key, one] of Object.entries(part)) {
      walked[key] = key === "headers" ? markRequired(walk(one) as Part) : walk(one, key === "examples");
    }
    if (!isNamedSchema(part)) return walked;
    const name = part.title;
    const known = schemas[name] ?? walked;
    invariant(isDeepStrictEqual(plain(known), plain(walked)), `there is one schema called ${name}`);
    schemas[name] = { ...walked, ...known };
    return { $ref: `#/components/schemas/${name}` };
  };
  const { components = {}, ...rest } = walk(description) as T & { components?: Part };
  return { ...rest, components: { ...components, schemas } } as T;
}

/** Examples of an answer's own schema are found beside it, in its media type. */
function plain({ examples: _examples, ...schema }: Part): Part {
  return schema;
}

function isNamedSchema(part: Part): part is Part & { title: string } {
  return typeof part.title === "string" && typeof part.type === "string" && part.openapi === undefined;
}

function markRequired(headers: Part): Part {
  return Object.fromEntries(
    Object.entries(headers).map(([name, header]) => {
      const { schema, ...rest } = header as { schema: Part };
      const { "x-optional": optional, ...plain } = schema;
      return [name, { ...rest, ...(optional !== true && { required: true }), schema: plain }];
    }),
  );
}
