import { randomBytes } from "node:crypto";
import { migrate } from "@holdfast/migrations/migrate.ts";
import { type Database, openDatabase } from "@holdfast/shared/database.ts";
import { connectRedis, type RedisClient, type RedisKeys, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { sql } from "kysely";
import { inject } from "vitest";
import type {} from "./provided.ts";

/** A database and a corner of Redis of one's own: nothing another test does is seen here. */
export interface World {
  readonly db: Database;
  readonly databaseUrl: string;
  readonly redis: RedisClient;
  readonly redisUrl: string;
  readonly redisPrefix: string;
  readonly keys: RedisKeys;
  /** For a process of the product: where its Postgres and Redis are. */
  readonly env: { DATABASE_URL: string; REDIS_URL: string; REDIS_PREFIX: string };
  close(): Promise<void>;
}

const ignoreError = () => {};

/** @param schema whether the migrations are run */
export async function createWorld({ schema = true } = {}): Promise<World> {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const url = new URL(inject("databaseUrl"));
  const admin = openDatabase(url.href, 1, ignoreError);
  await sql`create database ${sql.id(name)}`.execute(admin);
  url.pathname = `/${name}`;

  const db = openDatabase(url.href, 10, ignoreError);
  if (schema) await migrate(url.href);
  const redisUrl = inject("redisUrl");
  const redis = connectRedis(redisUrl, "waiting", ignoreError);
  await requireRedis(redis);
  const redisPrefix = `${name}:`;
  return {
    db,
    databaseUrl: url.href,
    redis,
    redisUrl,
    redisPrefix,
    keys: redisKeys(redisPrefix),
    env: { DATABASE_URL: url.href, REDIS_URL: redisUrl, REDIS_PREFIX: redisPrefix },
    async close() {
      await deleteKeys(redis, redisPrefix);
      redis.disconnect();
      await db.destroy();
      await dropDatabase(admin, name);
      await admin.destroy();
    },
  };
}

/**
 * Without `with (force)`: that fails where Postgres happens to vacuum the database, since only a
 * superuser may end that. A plain drop ends it, and waits for the connections that we end here.
 */
async function dropDatabase(admin: Database, name: string): Promise<void> {
  const ours = sql`datname = ${name} and usename = current_user`;
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`.execute(admin);
  await sql`drop database ${sql.id(name)}`.execute(admin);
}

async function deleteKeys(redis: RedisClient, prefix: string): Promise<void> {
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, "MATCH", `${prefix}*`, "COUNT", 1_000);
    if (keys.length > 0) await redis.unlink(...keys);
    cursor = next;
  } while (cursor !== "0");
}

/** Asks until the answer is true; a test that waits for something says for what. */
export async function eventually(what: string, ask: () => Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs / 1000} s in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
