import {
  chargeRatePerSecond,
  databaseUrl,
  logLevel,
  purchaseLanes,
  readEnvironment,
  redisPrefix,
  redisUrl,
  requireDurableRedis,
} from "@holdfast/shared/environment.ts";
import { Type } from "typebox";

const variables = Type.Object({
  DATABASE_URL: databaseUrl,
  REDIS_URL: redisUrl,
  REDIS_PREFIX: redisPrefix,
  REQUIRE_DURABLE_REDIS: requireDurableRedis,
  PURCHASE_LANES: purchaseLanes,
  STRIPE_SECRET_KEY: Type.String({ minLength: 1, description: "Stripe's secret key, sk_…" }),
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
  LOG_LEVEL: logLevel,
});

export type WorkerConfig = ReturnType<typeof readWorkerConfig>;

/** What `npm run reconcile` needs of it. */
const reconcileVariables = Type.Object({
  DATABASE_URL: variables.properties.DATABASE_URL,
  STRIPE_SECRET_KEY: variables.properties.STRIPE_SECRET_KEY,
  STRIPE_API_BASE: variables.properties.STRIPE_API_BASE,
});

/** What `npm run replay` needs of it. */
const replayVariables = Type.Object({
  REDIS_URL: variables.properties.REDIS_URL,
  REDIS_PREFIX: variables.properties.REDIS_PREFIX,
  PURCHASE_LANES: variables.properties.PURCHASE_LANES,
});

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
  return readEnvironment(variables, env);
}
