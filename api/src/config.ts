import {
  databaseUrl,
  logLevel,
  purchaseLanes,
  readEnvironment,
  redisPrefix,
  redisUrl,
  requireDurableRedis,
} from "@holdfast/shared/environment.ts";
import { Type } from "typebox";

const rate = (of: string, fallback: number) =>
  Type.Integer({
    default: fallback,
    minimum: 0,
    description: `requests per minute and ${of}, a whole number, 0 for no limit`,
  });

const variables = Type.Object({
  HOST: Type.String({ default: "127.0.0.1", description: "the address to listen on" }),
  PORT: Type.Integer({
    default: 3000,
    minimum: 0,
    maximum: 65_535,
    description: "the port to listen on, 0 for a free one",
  }),
  ADMIN_PORT: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 65_535,
      description: "the port for /healthz, /readyz and /metrics alone, 0 for a free one",
    }),
  ),
  DATABASE_URL: databaseUrl,
  REDIS_URL: redisUrl,
  REDIS_PREFIX: redisPrefix,
  REQUIRE_DURABLE_REDIS: requireDurableRedis,
  PURCHASE_LANES: purchaseLanes,
  JWT_SECRET: Type.Optional(Type.String({ description: "the secret that signs shopper tokens (HS256)" })),
  JWKS_URL: Type.Optional(
    Type.String({ pattern: "^https?://", description: "where the keys for shopper tokens are published" }),
  ),
  GUEST_SESSIONS: Type.Union([Type.Literal("on"), Type.Literal("off")], { default: "off", description: "on or off" }),
  OPS_PASSWORD: Type.Optional(Type.String({ description: "operations' password" })),
  STRIPE_WEBHOOK_SECRET: Type.Optional(
    Type.String({ description: "the secret that Stripe signs its webhooks with, whsec_…" }),
  ),
  STRIPE_SIMULATOR_URL: Type.Optional(
    Type.String({
      pattern: "^https?://[^/;,\\s]+$",
      description: "where the storefront's page finds the payment simulator, for 3-D Secure, http://host:port",
    }),
  ),
  SHOPPER_RATE_PER_MINUTE: rate("shopper", 120),
  ADDRESS_RATE_PER_MINUTE: rate("client address", 1200),
  MAX_LINE: Type.Integer({
    default: 1_000_000, // orders; at about 350 bytes each a full line is a third of a gigabyte in Redis
    minimum: 1,
    description: "how many orders may wait in one lane, a whole number",
  }),
  TRUST_PROXY: Type.Optional(
    Type.String({
      pattern: "^(\\d+|[0-9A-Fa-f.:/]+(\\s*,\\s*[0-9A-Fa-f.:/]+)*|loopback|linklocal|uniquelocal)$",
      description: "whose X-Forwarded-For to believe: addresses or ranges (10.0.0.0/8,…), or how many proxies",
    }),
  ),
  LOG_LEVEL: logLevel,
});

export type ApiConfig = ReturnType<typeof readApiConfig>;

/** @throws EnvironmentError naming every variable that is missing or wrong */
export function readApiConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(variables, env, (config) => {
    const problems: string[] = [];
    if (config.JWT_SECRET === undefined && config.JWKS_URL === undefined) {
      problems.push("JWT_SECRET or JWKS_URL is missing: one of them says how shopper tokens are verified");
    }
    if (config.JWT_SECRET !== undefined && config.JWKS_URL !== undefined) {
      problems.push("JWT_SECRET and JWKS_URL are both set: leave one out, so that it is plain which keys count");
    }
    if (config.GUEST_SESSIONS === "on" && config.JWT_SECRET === undefined) {
      problems.push("GUEST_SESSIONS is on without JWT_SECRET: guest tokens need a secret to be signed with");
    }
    return problems;
  });
}
