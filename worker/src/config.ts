import {
  adminPort,
  chargeRatePerSecond,
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
import { shopProblems, shopVariables } from "./shop-webhooks/shop-settings.ts";

/**
 * What a worker process does, all of it unless it is told; so that each part scales as a fleet of
 * its own.
 */
export const workerRoles = ["reserve", "charge", "webhook", "sweep"] as const;
export type WorkerRole = (typeof workerRoles)[number];
const role = `(${workerRoles.join("|")})`;

const description = "Stripe's secret key, sk_…";
const stripeSecretKey = Type.String({ minLength: 1, description });

const variables = Type.Object({
  HOST: host,
  ADMIN_PORT: Type.Optional(adminPort),
  DATABASE_URL: databaseUrl,
  REDIS_URL: redisUrl,
  REDIS_PREFIX: redisPrefix,
  REQUIRE_DURABLE_REDIS: requireDurableRedis,
  PURCHASE_LANES: purchaseLanes,
  WORKER_ROLES: Type.String({
    default: workerRoles.join(","),
    pattern: `^\\s*${role}\\s*(,\\s*${role}\\s*)*$`,
    description: `what this worker does, any of ${workerRoles.join(", ")}, comma-separated`,
  }),
  STRIPE_SECRET_KEY: Type.Optional(stripeSecretKey),
  STRIPE_API_BASE: Type.Optional(
    Type.String({
      pattern: "^https?://[^/]+/?$",
      description: "another base address than Stripe's own, http://host:port",
    }),
  ),
  CHARGE_CONCURRENCY: Type.Integer({
    default: 50,
    minimum: 1,
    maximum: 1_000,
    description: "charges under way at a time in one worker, a number from 1 to 1000",
  }),
  CHARGE_RATE_PER_SECOND: chargeRatePerSecond,
  ...shopVariables,
  OTEL_EXPORTER_OTLP_ENDPOINT: tracesEndpoint,
  LOG_LEVEL: logLevel,
});

export type WorkerConfig = ReturnType<typeof readWorkerConfig>;

/** What `npm run reconcile` needs of it. */
const reconcileVariables = Type.Object({
  DATABASE_URL: variables.properties.DATABASE_URL,
  STRIPE_SECRET_KEY: stripeSecretKey,
  STRIPE_API_BASE: variables.properties.STRIPE_API_BASE,
});

/** What `npm run replay` needs of it. */
const replayVariables = Type.Object({
  REDIS_URL: variables.properties.REDIS_URL,
  REDIS_PREFIX: variables.properties.REDIS_PREFIX,
  PURCHASE_LANES: variables.properties.PURCHASE_LANES,
});

/** What `npm run restore-check` needs of it. */
const restoreVariables = Type.Object({
  DATABASE_URL: variables.properties.DATABASE_URL,
  REDIS_URL: variables.properties.REDIS_URL,
  REDIS_PREFIX: variables.properties.REDIS_PREFIX,
});

/** @throws EnvironmentError naming every variable that is missing or wrong */
export function readRestoreConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(restoreVariables, env);
}

/** What `npm run shop-webhooks` needs of it. */
const shopWebhooksVariables = Type.Object({ DATABASE_URL: variables.properties.DATABASE_URL });

/** @throws EnvironmentError naming every variable that is missing or wrong */
export function readShopWebhooksConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(shopWebhooksVariables, env);
}

/** @throws EnvironmentError naming every variable that is missing or wrong */
export function readReplayConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(replayVariables, env);
}

/** @throws EnvironmentError naming every variable that is missing or wrong */
export function readReconcileConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(reconcileVariables, env);
}

/** @throws EnvironmentError naming every variable that is missing or wrong */
export function readWorkerConfig(env: NodeJS.ProcessEnv) {
  return readEnvironment(variables, env, (config) => {
    const { WORKER_ROLES, STRIPE_SECRET_KEY } = config;
    const roles = typeof WORKER_ROLES === "string" ? rolesOf(WORKER_ROLES) : new Set<WorkerRole>();
    const paying = [...roles].some((role) => asksProvider.has(role));
    const problems = roles.has("webhook") ? shopProblems(config) : [];
    if (paying && STRIPE_SECRET_KEY === undefined) problems.push(`STRIPE_SECRET_KEY is missing: ${description}`);
    return problems;
  });
}

const asksProvider = new Set<WorkerRole>(["charge", "sweep"]);

/** The roles that a setting of WORKER_ROLES names. */
export function rolesOf(setting: string): ReadonlySet<WorkerRole> {
  const named = setting.split(",").map((name) => name.trim());
  return new Set(workerRoles.filter((known) => named.includes(known)));
}
