import { randomBytes } from "node:crypto";
import { migrate } from "@holdfast/migrations/migrate.ts";
import { type Database, openDatabase } from "@holdfast/shared/database.ts";
import { openChargeQueue } from "@holdfast/shared/queues.ts";
import { connectRedis, type RedisClient, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { openStorage, type Storage } from "../../local/storage.ts";
import { type Part, startPart } from "../../local/system.ts";
import { signedTokens } from "../rush/shopper-tokens.ts";
import { type Shoppers, shoppers } from "./shoppers.ts";

/**
 * Where the comparisons run: a Postgres and a Redis of their own, and processes of the product as
 * they are needed.
 */
export interface BenchSystem {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly db: Database;
  readonly redis: RedisClient;
  readonly storage: Storage;
  readonly tokenOf: (shopper: number) => string;
  readonly shoppers: Shoppers;
  readonly jwtSecret: string;
  /** Starts a process with what it needs to know; whoever starts it stops it. */
  start(program: "api" | "worker" | "simulator" | "bare", env?: Record<string, string>): Promise<Part>;
  /**
   * Has nothing charged meanwhile: what Holdfast reserved before is not paid for in an opponent's
   * time.
   */
  withoutCharging<T>(run: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Limits are on unless a comparison says otherwise. */
export const limitsOff = { ADDRESS_RATE_PER_MINUTE: "0", SHOPPER_RATE_PER_MINUTE: "0" };

export async function openBenchSystem(directory: string, say: (text: string) => void): Promise<BenchSystem> {
  const storage = await openStorage(directory, {}, say);
  const { databaseUrl, redisUrl } = storage;
  const db = openDatabase(databaseUrl, 2, () => {});
  await migrate(storage.databaseUrl);
  const redis = connectRedis(redisUrl, "waiting", () => {});
  await requireRedis(redis);
  const charges = openChargeQueue({ redis, keys: redisKeys("") });
  const jwtSecret = randomBytes(32).toString("hex");
  const common = {
    PORT: "0",
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    JWT_SECRET: jwtSecret,
    OPS_PASSWORD: jwtSecret,
    STRIPE_SECRET_KEY: "sk_test_simulator",
    STRIPE_API_BASE: "http://127.0.0.1:9",
    TRUST_PROXY: "1", // the load names a client address for each shopper, as a load balancer would
  };
  let started = 0;
  return {
    databaseUrl,
    redisUrl,
    db,
    redis,
    storage,
    jwtSecret,
    tokenOf: signedTokens(jwtSecret),
    shoppers: shoppers(jwtSecret),
    start(program, env = {}) {
      started += 1;
      return startPart(program, `${program}-${started}`, { ...common, ...env }, directory);
    },
    async withoutCharging(run) {
      await charges.pause();
      try {
        return await run();
      } finally {
        await charges.resume();
      }
    },
    async close() {
      await charges.close();
      redis.disconnect();
      await db.destroy();
      for (const server of storage.servers) await server.stop();
    },
  };
}
