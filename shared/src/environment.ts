import { type Static, type TObject, Type } from "typebox";
import { Clean, Default, Errors } from "typebox/value";
import { redisAddressPattern } from "./redis-address.ts";

/**
 * The environment does not fit: one line per problem, without any value, since a value may be a
 * secret.
 */
export class EnvironmentError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "EnvironmentError";
    this.problems = problems;
  }
}

/**
 * Reads the variables a schema names: defaults filled in, text converted to numbers, everything
 * checked, the result frozen. An empty variable counts as absent. `check` adds what a schema cannot
 * say, one line per problem; it may be given values that do not fit.
 * @throws EnvironmentError naming every variable that is missing or wrong
 */
export function readEnvironment<S extends TObject>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
  check: (config: Static<S>) => string[] = () => [],
): Readonly<Static<S>> {
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const config = Default(schema, withNumbers(schema, Clean(schema, present) as Record<string, string>));
  const problems = Errors(schema, config).flatMap((error) => describe(error, schema));
  problems.push(...check(config as Static<S>));
  if (problems.length > 0) throw new EnvironmentError([...new Set(problems)]);
  return Object.freeze(config as Static<S>);
}

/**
 * Turns the text of whole numbers into numbers, and only that: TypeBox's own Convert would cut 1.5
 * down to 1.
 */
function withNumbers(schema: TObject, values: Record<string, string>): Record<string, string | number> {
  const convert = ([name, text]: [string, string]): [string, string | number] => {
    const { type } = schema.properties[name] as { type?: string };
    return [name, type === "integer" && /^-?\d+$/.test(text) ? Number(text) : text];
  };
  return Object.fromEntries(Object.entries(values).map(convert));
}

function describe(
  error: { keyword: string; instancePath: string; message: string; params: object },
  schema: TObject,
): string[] {
  if (error.keyword === "required") {
    const missing = (error.params as { requiredProperties?: string[] }).requiredProperties ?? [];
    return missing.map((name) => `${name} is missing: ${meaning(schema, name)}`);
  }
  const name = error.instancePath.slice(1);
  return [`${name} does not fit: ${meaning(schema, name)}`];
}

function meaning(schema: TObject, name: string): string {
  return (schema.properties[name] as { description?: string } | undefined)?.description ?? "see the README";
}

/** The variables that more than one process reads. */
export const databaseUrl = Type.String({
  pattern: "^postgres(ql)?://",
  description: "where Postgres is, postgres://…",
});
export const databaseReadUrl = Type.Optional(
  Type.String({
    pattern: "^postgres(ql)?://",
    description: "a standby of Postgres for reads that may lag, postgres://…",
  }),
);
export const redisUrl = Type.String({
  pattern: redisAddressPattern,
  description:
    "where Redis is, redis://…; several comma-separated addresses for a Redis Cluster; redis+sentinel://host:port,host:port/name",
});
export const host = Type.String({ default: "127.0.0.1", description: "the address to listen on" });
export const adminPort = Type.Integer({
  minimum: 0,
  maximum: 65_535,
  description: "the port for /healthz, /readyz and /metrics alone, 0 for a free one",
});
export const tracesEndpoint = Type.Optional(
  Type.String({
    pattern: "^https?://[^\\s]+$",
    description: "where traces are sent by OTLP over HTTP, http://collector:4318",
  }),
);
export const redisPrefix = Type.String({
  default: "",
  pattern: "^[^{}]*$",
  description: "put before every key in Redis",
});
export const requireDurableRedis = Type.Union([Type.Literal("on"), Type.Literal("off")], {
  default: "off",
  description: "on refuses to start on a Redis that could lose accepted orders; on or off",
});
export const purchaseLanes = Type.Integer({
  default: 4,
  minimum: 1,
  maximum: 256,
  description: "how many lanes, a number from 1 to 256, the same in every process",
});
export const chargeRatePerSecond = Type.Integer({
  default: 25,
  minimum: 1,
  maximum: 10_000,
  description: "requests to the payment provider per second in the whole fleet, a number from 1 to 10000",
});
export const logLevel = Type.Union(
  ["fatal", "error", "warn", "info", "debug", "trace", "silent"].map((level) => Type.Literal(level)),
  { default: "info", description: "fatal, error, warn, info, debug, trace or silent" },
);
