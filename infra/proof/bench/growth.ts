import { openLanes } from "@holdfast/shared/queues.ts";
import { connectRedis, type RedisClient, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { processUsage } from "../../local/process-usage.ts";
import { waitUntil } from "../../local/processes.ts";
import type { BenchSystem } from "./bench-system.ts";
import { fillLine } from "./fill-line.ts";
import { runLoad } from "./load.ts";

/** What an order costs while so many are in line before it. */
export interface CostAtDepth {
  readonly queued: number;
  readonly redisBytes: number;
  /** Microseconds of CPU per accepted order. */
  readonly accept: { readonly api: number; readonly redis: number };
  /** Microseconds of CPU per decided order; nearly all are told “Out of stock”. */
  readonly decide: { readonly worker: number; readonly redis: number; readonly postgres: number };
}

const measuredOrders = 20_000; // a few seconds of work: /proc counts CPU time in hundredths of one
const units = 100;

/**
 * For each length of the line: fill it, then measure what 20,000 more cost to accept, and 20,000
 * from its head to decide.
 */
export async function measureGrowth(
  system: BenchSystem,
  depths: readonly number[],
  say: (text: string) => void,
): Promise<CostAtDepth[]> {
  say("  What an order costs, by how many are in line before it (CPU in µs per order)");
  const costs: CostAtDepth[] = [];
  for (const queued of depths) {
    const cost = await costAtDepth(system, queued);
    costs.push(cost);
    const { accept, decide } = cost;
    const figures = `accept ${accept.api} api + ${accept.redis} redis, decide ${decide.worker} worker + ${decide.redis} redis + ${decide.postgres} postgres`;
    say(`    ${String(queued).padStart(9)} in line: ${figures}; ${cost.redisBytes} bytes each in Redis`);
  }
  await system.redis.flushall();
  return costs;
}

async function costAtDepth(system: BenchSystem, queued: number): Promise<CostAtDepth> {
  await system.redis.flushall();
  const itemId = `depth-${queued}-${Date.now().toString(36)}`;
  await addItem(system.db, itemId, units);
  const keys = redisKeys("");
  const redis = connectRedis(system.redisUrl, "waiting", () => {});
  await requireRedis(redis);
  const lanes = openLanes({ redis, keys }, 4);
  try {
    const before = await usedMemory(redis);
    await fillLine({ redis, keys }, lanes, itemId, queued);
    const rewritten = async () => (await redis.info("persistence")).includes("aof_rewrite_in_progress:0");
    await waitUntil(60_000, "Redis to have its file rewritten", rewritten); // that is the filling's, not the orders' after it
    const redisBytes = Math.round(((await usedMemory(redis)) - before) / queued);

    const api = await system.start("api", { MAX_LINE: "100000000" });
    const accept = await cpuPerOrder(system, { api: pidOf(api) }, async () => {
      await runLoad({
        url: api.url ?? "",
        connections: 200,
        request: (n) => system.shoppers.buy(n, { path: `/purchase/${itemId}` }),
        check: ({ status, body }) => {
          if (status !== 202) throw new Error(`A purchase was answered ${status} ${body}`);
        },
        until: { requests: measuredOrders },
      });
      return measuredOrders;
    });
    await api.stop();

    // The worker comes to lanes that stand still, so that its start is not counted.
    await Promise.all(lanes.map((lane) => lane.pause()));
    const worker = await system.start("worker");
    const decided = async () => {
      const counts = await Promise.all(lanes.map((lane) => redis.hget(keys.line(lane.name), "decided")));
      return counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
    };
    const decide = await cpuPerOrder(system, { worker: pidOf(worker) }, async () => {
      await Promise.all(lanes.map((lane) => lane.resume()));
      await waitUntil(120_000, "the orders to be decided", async () => (await decided()) >= measuredOrders);
      return decided();
    });
    await worker.stop();
    return {
      queued,
      redisBytes,
      accept: { api: accept.api ?? 0, redis: accept.redis ?? 0 },
      decide: { worker: decide.worker ?? 0, redis: decide.redis ?? 0, postgres: decide.postgres ?? 0 },
    };
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
    redis.disconnect();
  }
}

/**
 * Runs `work`, which says how many orders it was, and tells the microseconds of CPU per order of
 * each process.
 */
async function cpuPerOrder(
  { storage }: BenchSystem,
  own: Record<string, number>,
  work: () => Promise<number>,
): Promise<Record<string, number>> {
  const servers = storage.servers.map(({ name, process }) => [name, process.pid ?? 0] as const);
  const processes = [...Object.entries(own), ...servers];
  const cpuMs = () => Promise.all(processes.map(async ([, pid]) => (await processUsage(pid))?.cpuMs ?? 0));
  const before = await cpuMs();
  const orders = await work();
  const after = await cpuMs();
  return Object.fromEntries(
    processes.map(([name], i) => [name, Math.round((((after[i] ?? 0) - (before[i] ?? 0)) * 1_000) / orders)]),
  );
}

function pidOf(part: { readonly process: { readonly pid?: number | undefined } }): number {
  return part.process.pid ?? 0;
}

async function usedMemory(redis: RedisClient): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
}
