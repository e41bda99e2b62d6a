import fc from "fast-check";
import { type Examples, fitting, nearlyFitting } from "./json-schemas.ts";
import {
  oddBodies,
  oddEnds,
  oddHeaders,
  oddHeaderTexts,
  oddMethods,
  oddQueries,
  oddSegments,
  oddTypes,
} from "./odd-values.ts";
import type { Operation } from "./openapi.ts";

export type Headers = Readonly<Record<string, string>>;

/** A request as it is sent, byte for byte. */
export interface FuzzRequest {
  readonly method: string;
  /** Path and query, as they stand on the request line. */
  readonly url: string;
  readonly headers: Headers;
  readonly body: Buffer | null;
  /** Whether the body is sent in chunks, its length not being told beforehand. */
  readonly chunked: boolean;
}

/** What whoever calls an operation shows to be let in: made from the body, since a signature is. */
export type Credentials = (operation: Operation, body: string) => fc.Arbitrary<Headers>;

/** Any request to an operation: as it should be, nearly so, or wild in any of its parts. */
export function requestsTo(
  operation: Operation,
  credentials: Credentials,
  examples: Examples,
): fc.Arbitrary<FuzzRequest> {
  const parts = fc.record({
    method: mostly(fc.constant(operation.method), fc.constantFrom(...oddMethods)),
    url: urls(operation, examples),
    headers: headers(operation, examples),
    type: mostly(fc.constant<string | null>("application/json"), types),
    body: bodies(operation, examples),
    chunked: mostly(fc.constant(false), fc.boolean()),
  });
  return parts.chain(({ body, type, headers: own, ...rest }) =>
    credentials(operation, body?.toString("utf8") ?? "").map((shown) => ({
      ...rest,
      body,
      headers: { ...own, ...shown, ...(type !== null && body !== null && { "content-type": type }) },
    })),
  );
}

/** Seven times in eight the first. */
function mostly<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 7, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

const types = fc.oneof(fc.constantFrom(...oddTypes), headerText(40));

/** What a header may hold at all: a client refuses to send anything else. */
function headerText(maxLength: number): fc.Arbitrary<string> {
  return fc
    .array(
      fc.integer({ min: 0x20, max: 0xff }).filter((code) => code !== 0x7f),
      { maxLength },
    )
    .map((codes) => String.fromCharCode(...codes).trim());
}

const strayHeaders: fc.Arbitrary<Headers> = fc.oneof(
  fc.constantFrom(...oddHeaders),
  fc.dictionary(fc.stringMatching(/^x-[a-z]{1,8}$/), headerText(60), { maxKeys: 5 }),
);

/** The headers that the operation describes, fitting or not, and some that nobody described. */
function headers(operation: Operation, examples: Examples): fc.Arbitrary<Headers> {
  const described = (operation.parameters ?? []).filter((parameter) => parameter.in === "header");
  const own = described.map(({ name, schema }) => {
    const wild = fc.oneof(headerText(30), fc.constantFrom(...oddHeaderTexts));
    const value = mostly(fitting(schema, examples, name).map(String), wild);
    return fc
      .option(value, { freq: 2 })
      .map((text): Headers => (text === null ? {} : { [name]: asHeader(shortWait(text)) }));
  });
  return fc
    .tuple(mostly(fc.constant<Headers>({}), strayHeaders), ...own)
    .map((all): Headers => Object.assign({}, ...all));
}

/** As a client would have to send it. */
function asHeader(text: string): string {
  return text.replace(/[^\t\x20-\x7e\x80-\xff]/gu, "?");
}

/**
 * A wait that may be asked for (Prefer: wait=N) is waited out: so a second at most, and seldom one.
 */
function shortWait(text: string): string {
  return text.replace(/wait\s*=\s*"?(\d+)/gi, (_, seconds) => `wait=${Number(seconds) % 16 === 1 ? 1 : 0}`);
}

function urls(operation: Operation, examples: Examples): fc.Arbitrary<string> {
  const parameters = operation.parameters ?? [];
  const own = parameters
    .filter((parameter) => parameter.in === "path")
    .map(({ name, schema }) => {
      const encoded = fitting(schema, examples, name).map((value) => encodeURIComponent(String(value).toWellFormed()));
      return mostly(encoded, segments).map((text) => [`{${name}}`, text] as const);
    });
  const described = parameters
    .filter((parameter) => parameter.in === "query")
    .map(({ name, schema }) =>
      fitting(schema, examples, name).map((value) => `${name}=${encodeURIComponent(String(value).toWellFormed())}`),
    );
  const query = mostly(
    fc.tuple(...described).map((all) => all.join("&")),
    queries,
  );
  return fc.tuple(fc.tuple(...own), query, mostly(fc.constant(""), ends)).map(([filled, asked, end]) => {
    const path = filled.reduce((text, [name, value]) => text.replace(name, () => value), operation.path);
    return `${path}${end}${asked === "" ? "" : `?${asked}`}`;
  });
}

/** What a request line may hold: everything visible, and the upper half of Latin-1. */
function lineText(maxLength: number): fc.Arbitrary<string> {
  return fc
    .array(
      fc.integer({ min: 0x21, max: 0xff }).filter((code) => code !== 0x7f),
      { minLength: 1, maxLength },
    )
    .map((codes) => String.fromCharCode(...codes));
}

const segments = fc.oneof(fc.constantFrom(...oddSegments), lineText(20));
const queries = fc.oneof(fc.constantFrom(...oddQueries), lineText(30));
const ends = fc.oneof(fc.constantFrom(...oddEnds), lineText(8));

/** A body as described, one with a flaw, one of another kind altogether, or none. */
function bodies(operation: Operation, examples: Examples): fc.Arbitrary<Buffer | null> {
  const schema = operation.requestBody?.content["application/json"]?.schema;
  if (schema === undefined) return mostly(fc.constant(null), wildBodies);
  const asJson = (value: unknown) => Buffer.from(JSON.stringify(value) ?? "");
  return fc.oneof(
    { weight: 5, arbitrary: fitting(schema, examples).map(asJson) },
    { weight: 3, arbitrary: nearlyFitting(schema, examples).map(asJson) },
    { weight: 1, arbitrary: wildBodies },
    { weight: 1, arbitrary: fitting(schema, examples).map((value) => brokenText(JSON.stringify(value))) },
  );
}

const wildBodies: fc.Arbitrary<Buffer | null> = fc.oneof(
  fc.constant(null),
  fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(...oddBodies).map((text) => Buffer.from(text)),
  fc.constantFrom(16_384, 16_385, 70_000, 300_000).map((bytes) => Buffer.alloc(bytes, "x")),
);

/** A text with its end cut off and a byte that no UTF-8 has. */
function brokenText(text: string): Buffer {
  return Buffer.concat([Buffer.from(text.slice(0, text.length - 1 - (text.length % 7))), Buffer.from([0xff])]);
}
