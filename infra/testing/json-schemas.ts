import fc from "fast-check";
import { oddFields } from "./odd-values.ts";

/** As much of JSON Schema as the API's description uses. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  /** Alternatives that say which properties there are: exactly one of them. */
  readonly oneOf?: readonly { readonly required: readonly string[] }[];
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** Values to prefer where a field has this name, such as cards that the payment provider knows. */
export type Examples = Readonly<Record<string, readonly unknown[]>>;

/**
 * Values that fit a schema.
 * @throws where the schema uses a word that this does not know, so that nothing goes untested
 *   unnoticed
 */
export function fitting(schema: JsonSchema, examples: Examples = {}, name = ""): fc.Arbitrary<unknown> {
  const known = examples[name];
  const any = fittingAny(schema, examples);
  return known ? fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: any }) : any;
}

function fittingAny(schema: JsonSchema, examples: Examples): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((option) => fitting(option, examples)));
  if (Array.isArray(schema.type)) {
    return fc.oneof(...schema.type.map((type: string) => fittingAny({ ...schema, type }, examples)));
  }
  switch (schema.type as string | undefined) {
    case "object": {
      if (schema.oneOf) return fc.oneof(...alternatives(schema).map((one) => fittingAny(one, examples)));
      const [names, values] = Object.entries(schema.patternProperties ?? {})[0] ?? [];
      if (names !== undefined && values) {
        return fc.dictionary(fittingString({ pattern: names }), fitting(values, examples), { maxKeys: 3 });
      }
      const fields = Object.entries(schema.properties ?? {}).map(([field, s]) => [field, fitting(s, examples, field)]);
      const requiredKeys = [...(schema.required ?? [])];
      return fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, { requiredKeys });
    }
    case "array":
      return fc.array(fitting(schema.items ?? {}, examples), { maxLength: 5 });
    case "string":
      return fittingString(schema);
    case "integer":
      return fc.integer(limits(schema));
    case "number":
      return fc.double({ ...limits(schema), noNaN: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case undefined:
      return fc.jsonValue({ maxDepth: 2 });
    default:
      throw new Error(`No values are known for the type ${String(schema.type)}`);
  }
}

function alternatives({ oneOf = [], ...schema }: JsonSchema): JsonSchema[] {
  return oneOf.map(({ required }) => {
    const others = new Set(oneOf.flatMap((one) => one.required).filter((name) => !required.includes(name)));
    const properties = Object.entries(schema.properties ?? {}).filter(([name]) => !others.has(name));
    const all = [...(schema.required ?? []), ...required];
    return { ...schema, properties: Object.fromEntries(properties), required: all };
  });
}

function fittingString({ pattern, format, minLength = 0, maxLength = 300 }: JsonSchema): fc.Arbitrary<string> {
  const fits = (text: string) => text.length >= minLength && text.length <= maxLength;
  if (pattern !== undefined) return matching(new RegExp(pattern, "u"), maxLength).filter(fits);
  switch (format) {
    case undefined:
      return fc.string({ minLength, maxLength: Math.min(maxLength, minLength + 40), unit: "binary" });
    case "uuid":
      return fc.uuid();
    case "date-time":
      return fc
        .date({ min: new Date("1970-01-01"), max: new Date("2099-12-31"), noInvalidDate: true })
        .map((date) => date.toISOString());
    default:
      throw new Error(`No strings are known for the format ${format}`);
  }
}

function matching(pattern: RegExp, maxLength: number): fc.Arbitrary<string> {
  // Of everything but some Unicode classes fast-check makes nothing; most of what there is fits
  // such a pattern anyway.
  if (!/\[\^[^\]]*\\p/.test(pattern.source)) return fc.stringMatching(pattern);
  return fc.string({ unit: "grapheme", maxLength: Math.min(maxLength, 40) }).filter((text) => pattern.test(text));
}

function limits({ minimum, maximum }: JsonSchema): { min: number; max: number } {
  return { min: minimum ?? -(2 ** 31), max: maximum ?? 2 ** 31 - 1 };
}

const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...oddFields),
  fc.jsonValue({ maxDepth: 2 }),
  fc.double(),
  fc.string({ unit: "binary", maxLength: 30 }),
);

/**
 * Values that would fit a schema but for one thing: a field that is missing, one too many, or one
 * that holds something else.
 */
export function nearlyFitting(schema: JsonSchema, examples: Examples = {}): fc.Arbitrary<unknown> {
  if (schema.type !== "object") return odd;
  const names = Object.keys(schema.properties ?? {});
  const field = fc.constantFrom(...names, "status", "amount", "price", "shopperId", "__proto__", "constructor");
  const flaw = fc.constantFrom("without", "other", "other", "other");
  return fc.tuple(fitting(schema, examples), flaw, field, odd).map(([value, kind, name, other]) => {
    const entries = Object.entries(value as object).filter(([key]) => key !== name);
    return Object.fromEntries(kind === "without" ? entries : [...entries, [name, other]]);
  });
}
