import {
  adminPort,
  chargeRatePerSecond,
  databaseReadUrl,
  databaseUrl,
  host,
  logLevel,
  purchaseLanes,
  readEnvironment,
  redisPrefix,
  redisUrl,
  requireDurableRedis,
  tracesEndpoint,
} from "@holdfast/shared/environment.ts";
import { Type } from "typebox";
import { readOpsUsers } from "./ops/ops-users.ts";
import { ownLook, readShopLook } from "./storefront/shop-look.ts";

const rate = (of: string, fallback: number) =>
  Type.Integer({
    default: fallback,
    minimum: 0,
    description: `requests per minute and ${of}, a whole number, 0 for no limit`,
  });

const variables = Type.Object({
  HOST: host,
  PORT: Type.Integer({
    default: 3000,
    minimum: 0,
    maximum: 65_535,
    description: "the port to listen on, 0 for a free one",
  }),
  ADMIN_PORT: Type.Optional(adminPort),
  DATABASE_URL: databaseUrl,
  DATABASE_READ_URL: databaseReadUrl,
  REDIS_URL: redisUrl,
  REDIS_PREFIX: redisPrefix,
  REQUIRE_DURABLE_REDIS: requireDurableRedis,
  PURCHASE_LANES: purchaseLanes,
  ACCEPT_REPLICAS: Type.Integer({
    default: 0,
    minimum: 0,
    maximum: 10,
    description: "how many replicas of Redis must have an order before its 202, a number from 0 to 10",
  }),
  JWT_SECRET: Type.Optional(
    Type.String({ description: "the secret that signs shopper tokens (HS256); two, comma-separated, to replace it" }),
  ),
  JWKS_URL: Type.Optional(
    Type.String({ pattern: "^https?://", description: "where the keys for shopper tokens are published" }),
  ),
  JWT_ISSUER: Type.Optional(Type.String({ description: "who issues shopper tokens (iss)" })),
  JWT_AUDIENCE: Type.Optional(Type.String({ description: "for whom shopper tokens are issued (aud)" })),
  CORS_ORIGINS: Type.Optional(
    Type.String({
      description: "origins of other storefronts whose pages may ask, https://shop.example, comma-separated",
    }),
  ),
  GUEST_SESSIONS: Type.Union([Type.Literal("on"), Type.Literal("off")], { default: "off", description: "on or off" }),
  OPS_PASSWORD: Type.Optional(
    Type.String({
      minLength: 12, // a thousand guesses a day and address are let through
      description: "operations' password, of 12 characters or more",
    }),
  ),
  OPS_USERS: Type.Optional(
    Type.String({ description: "more operators: name:role:scrypt hash, comma-separated, role look or act" }),
  ),
  STRIPE_WEBHOOK_SECRET: Type.Optional(
    Type.String({ description: "the secret that Stripe signs its webhooks with, whsec_…" }),
  ),
  STRIPE_PUBLISHABLE_KEY: Type.Optional(
    Type.String({
      pattern: "^pk_(test|live)_[A-Za-z0-9]+$",
      description: "makes the storefront take real cards through Stripe, pk_test_… or pk_live_…",
    }),
  ),
  STOREFRONT_DIRECTORY: Type.Optional(
    Type.String({ description: "the folder with shop.json, the storefront's name, colours and pictures" }),
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
  CHARGE_RATE_PER_SECOND: chargeRatePerSecond, // so that putting an item on sale can say how long charging takes
  OTEL_EXPORTER_OTLP_ENDPOINT: tracesEndpoint,
  LOG_LEVEL: logLevel,
});

export type ApiConfig = ReturnType<typeof readApiConfig>;

/** @throws EnvironmentError naming every variable that is missing or wrong */
export function readApiConfig(env: NodeJS.ProcessEnv) {
  const together = [tokenProblems, originProblems, lookProblems, operatorProblems];
  return readEnvironment(variables, env, (config) => together.flatMap((problemsOf) => problemsOf(config)));
}

/** The origins of CORS_ORIGINS. */
export function corsOrigins(setting: string): string[] {
  return setting.split(",").map((origin) => origin.trim());
}

/**
 * A browser compares an origin letter by letter: one that is written in another way lets nobody in.
 */
function originProblems({ CORS_ORIGINS }: { readonly CORS_ORIGINS?: string }): string[] {
  const wrong = corsOrigins(CORS_ORIGINS ?? "https://none.example").filter(
    (origin) => !/^https?:/.test(origin) || URL.parse(origin)?.origin !== origin,
  );
  return wrong.map(
    () => "CORS_ORIGINS does not fit: origins as browsers send them, https://shop.example, comma-separated",
  );
}

const leastSecretBytes = 32; // RFC 7518, section 3.2: an HS256 key is at least as long as its hash

/**
 * The secrets of JWT_SECRET: the first one signs, and a token under either is good while one
 * replaces the other.
 */
export function jwtSecrets(setting: string): string[] {
  return setting.split(",").map((secret) => secret.trim());
}

type TokenVariables = Partial<
  Record<"JWT_SECRET" | "JWKS_URL" | "JWT_ISSUER" | "JWT_AUDIENCE" | "GUEST_SESSIONS", string>
>;

/** What the variables about tokens have to do with each other: one line per problem. */
function tokenProblems(config: TokenVariables): string[] {
  const { JWT_SECRET, JWKS_URL, JWT_ISSUER, JWT_AUDIENCE, GUEST_SESSIONS } = config;
  const problems: string[] = [];
  if (JWT_SECRET === undefined && JWKS_URL === undefined) {
    problems.push("JWT_SECRET or JWKS_URL is missing: one of them says how shopper tokens are verified");
  }
  if (JWT_SECRET !== undefined && JWKS_URL !== undefined) {
    problems.push("JWT_SECRET and JWKS_URL are both set: leave one out, so that it is plain which keys count");
  }
  // An identity provider signs the tokens of all its applications with the same keys.
  for (const [name, value] of Object.entries({ JWT_ISSUER, JWT_AUDIENCE })) {
    if (JWKS_URL === undefined || value !== undefined) continue;
    problems.push(`${name} is missing: with JWKS_URL, tokens issued for other applications must be told apart`);
  }
  if (GUEST_SESSIONS === "on" && JWT_SECRET === undefined) {
    problems.push("GUEST_SESSIONS is on without JWT_SECRET: guest tokens need a secret to be signed with");
  }
  return [...problems, ...secretProblems(JWT_SECRET)];
}

function lookProblems({ STOREFRONT_DIRECTORY: directory }: { STOREFRONT_DIRECTORY?: string }): string[] {
  const look = directory === undefined ? ownLook : readShopLook(directory);
  return "problems" in look ? look.problems.map((line) => `STOREFRONT_DIRECTORY: ${line}`) : [];
}

function operatorProblems({ OPS_USERS, OPS_PASSWORD }: { OPS_USERS?: string; OPS_PASSWORD?: string }): string[] {
  if (OPS_USERS === undefined) return [];
  const { problems } = readOpsUsers(OPS_USERS);
  const alone = OPS_PASSWORD === undefined ? ["OPS_USERS needs OPS_PASSWORD: without it /ops is not served"] : [];
  return [...alone, ...problems];
}

function secretProblems(setting: string | undefined): string[] {
  const secrets = setting === undefined ? [] : jwtSecrets(setting);
  const problems: string[] = [];
  if (secrets.length > 2) problems.push("JWT_SECRET holds more than two secrets: the new one and the one it replaces");
  if (secrets.some((secret) => Buffer.byteLength(secret) < leastSecretBytes)) {
    problems.push(
      `JWT_SECRET is shorter than ${leastSecretBytes} bytes, and so too easy to guess (a comma separates two)`,
    );
  }
  return problems;
}
