import { openDatabase, requirePostgres } from "@holdfast/shared/database.ts";
import { type FleetMember, joinFleet } from "@holdfast/shared/fleet.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import { openChargeQueue, openLanes, openWebhookQueue } from "@holdfast/shared/queues.ts";
import { connectRedis, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { checkRedisDurability } from "@holdfast/shared/redis-durability.ts";
import { buildApp } from "./app.ts";
import type { ApiConfig } from "./config.ts";
import { openItemCatalog } from "./item-catalog.ts";
import { openOrderWatch } from "./order-watch.ts";

export interface RunningServer {
  /** Where it listens, such as http://127.0.0.1:3000. */
  readonly address: string;
  /** Resolves where it must not go on, with the reason; it still has to be closed. */
  readonly expelled: FleetMember["expelled"];
  /** Answers what is in hand, then gives back its connections. */
  close(): Promise<void>;
}

const databaseConnections = 10; // the API reads one row at a time, and only what Redis does not know

/** Wires an API server out of its configuration and listens. Rejects where Postgres or Redis is away. */
export async function startServer(config: ApiConfig, log: Logger): Promise<RunningServer> {
  const onRedisError = (error: Error) => log.warn({ err: error }, "Redis connection lost");
  const db = openDatabase(config.DATABASE_URL, databaseConnections, (error) => {
    log.warn({ err: error }, "Postgres connection lost");
  });
  const redis = connectRedis(config.REDIS_URL, "failing", onRedisError);
  const subscriber = connectRedis(config.REDIS_URL, "waiting", onRedisError);
  let fleet: FleetMember | null = null;
  const disconnect = async () => {
    await fleet?.leave();
    redis.disconnect();
    subscriber.disconnect();
    await db.destroy();
  };
  try {
    await Promise.all([requirePostgres(db), requireRedis(redis), requireRedis(subscriber)]);
    await checkRedisDurability(redis, config.REQUIRE_DURABLE_REDIS === "on", log);
    const keys = redisKeys(config.REDIS_PREFIX);
    fleet = await joinFleet({ redis, keys, laneCount: config.PURCHASE_LANES, log });
    const items = await openItemCatalog({ db, redis, subscriber, keys, log });
    const watch = await openOrderWatch({ redis, subscriber, keys, log });
    const lanes = openLanes(redis, keys, config.PURCHASE_LANES);
    const charges = openChargeQueue(redis, keys);
    const webhooks = openWebhookQueue(redis, keys);
    for (const queue of [...lanes, charges, webhooks]) queue.on("error", onRedisError);
    const app = await buildApp({ config, db, redis, keys, lanes, charges, webhooks, items, watch, log });
    const address = await app.listen({ host: config.HOST, port: config.PORT });
    log.info({ address }, "api is listening");
    return {
      address,
      expelled: fleet.expelled,
      async close() {
        await app.close();
        items.close();
        await Promise.all([...lanes, charges, webhooks].map((queue) => queue.close()));
        await disconnect();
      },
    };
  } catch (error) {
    await disconnect();
    throw error;
  }
}
