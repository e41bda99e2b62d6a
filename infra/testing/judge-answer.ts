import { type ProblemCode, problems } from "@holdfast/api/http/problems.ts";
import Schema from "typebox/schema";
import type { FuzzRequest } from "./fuzz-requests.ts";
import type { JsonSchema } from "./json-schemas.ts";
import { type Operation, operationFor } from "./openapi.ts";
import type { Answer } from "./send-request.ts";

export type Judge = (
  request: FuzzRequest,
  answer: Answer | Error,
) => { readonly operation: Operation | null; readonly faults: readonly string[] };

/**
 * Judges answers by what the API says of itself: each is to be one that its operation documents,
 * down to its body.
 */
export function answerJudge(operations: readonly Operation[]): Judge {
  const fits = schemaChecker();
  return (request, answer) => {
    const operation = operationFor(operations, request.method, request.url);
    if (answer instanceof Error) return { operation, faults: [`no answer: ${answer.message}`] };
    const faults = [...seriousFaults(answer), ...problemFaults(answer)];
    if (operation === null) return { operation, faults: [...faults, ...strayFaults(request, answer)] };
    const documented = operation.responses[answer.status];
    if (!documented) {
      // A request line that cannot be read is none of any operation.
      const malformed = answer.status === 400 && !isReadable(request.url);
      return { operation, faults: malformed ? faults : [...faults, `${answer.status} is not documented`] };
    }
    if (answer.status < 300) {
      const promised = Object.entries(documented.headers ?? {}).filter(([, { required }]) => required === true);
      const missing = promised.filter(([name]) => answer.headers[name] === undefined);
      for (const [name] of missing) faults.push(`${answer.status} without its documented header ${name}`);
    }
    const contents = Object.entries(documented.content ?? {});
    const content = contents.find(([type]) => type === mediaType(answer)) ?? contents[0];
    if (content && request.method !== "HEAD") {
      const [type, { schema }] = content;
      if (mediaType(answer) !== type) faults.push(`${mediaType(answer)} where ${type} is documented`);
      else if (!fits(schema, type.endsWith("json") && type !== "application/x-ndjson" ? parsed(answer) : answer.body))
        faults.push("the body does not fit its documented schema");
    }
    if (answer.status < 300 && !isFitting(operation, request, fits))
      faults.push("accepted, though the request does not fit");
    return { operation, faults };
  };
}

function seriousFaults({ status, body }: Answer): string[] {
  const faults: string[] = [];
  if (status >= 500 && status !== 503) faults.push(`answered ${status}`);
  if (/node_modules|\bat .*\.ts:\d+/.test(body)) faults.push("shows something of the inside");
  return faults;
}

/** Every refusal is a problem (RFC 9457) out of the catalogue, with the headers that go with it. */
function problemFaults(answer: Answer): string[] {
  const { status, headers, body } = answer;
  if (status < 400 || body === "") return [];
  const problem = parsed(answer) as { code?: string; status?: number } | null;
  const known = problems[problem?.code as ProblemCode];
  const faults: string[] = [];
  if (mediaType(answer) !== "application/problem+json" || !known) return readinessFaults(answer);
  if (known.status !== status || problem?.status !== status) faults.push(`${problem?.code} goes with ${known.status}`);
  if (status === 401 && headers["www-authenticate"] === undefined) faults.push("401 without WWW-Authenticate");
  if ([429, 503].includes(status) && headers["retry-after"] === undefined) faults.push(`${status} without Retry-After`);
  return faults;
}

function readinessFaults({ status, headers }: Answer): string[] {
  const notReady = status === 503 && headers["retry-after"] !== undefined;
  return notReady ? [] : [`${status} is no problem of the catalogue`];
}

/** What is no operation is refused, or a page. */
function strayFaults({ method }: FuzzRequest, answer: Answer): string[] {
  const page = ["GET", "HEAD"].includes(method) && answer.status < 400;
  return page || [400, 401, 403, 404, 405, 413, 415].includes(answer.status)
    ? []
    : [`${answer.status} where there is nothing`];
}

/** Whether the request is one that the description allows: only such may be carried out. */
function isFitting(operation: Operation, request: FuzzRequest, fits: SchemaChecker): boolean {
  const schema = operation.requestBody?.content["application/json"]?.schema;
  if (schema !== undefined && !fits(schema, parsed({ body: sentText(request) }))) return false;
  return (operation.parameters ?? []).every(({ in: place, name, schema: of }) => {
    const value = place === "header" ? request.headers[name] : undefined;
    return value === undefined || fits(of, value);
  });
}

/** As the API reads it: a byte order mark before JSON is left out. */
function sentText({ body }: FuzzRequest): string {
  return (body?.toString("utf8") ?? "").replace(/^\u{FEFF}/u, "");
}

type SchemaChecker = (schema: JsonSchema, value: unknown) => boolean;

/** Compiles each schema once. */
function schemaChecker(): SchemaChecker {
  const compiled = new Map<JsonSchema, { Check(value: unknown): boolean }>();
  return (schema, value) => {
    const check = compiled.get(schema) ?? Schema.Compile(schema as object);
    compiled.set(schema, check);
    return check.Check(value);
  };
}

function mediaType({ headers }: Answer): string {
  return String(headers["content-type"] ?? "none").split(";")[0] ?? "";
}

function parsed({ body }: { readonly body: string }): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function isReadable(url: string): boolean {
  if (!/^[\x21-\x7e]+$/.test(url)) return false;
  try {
    decodeURIComponent(url.split(/[?#]/)[0] ?? "");
    return true;
  } catch {
    return false;
  }
}
