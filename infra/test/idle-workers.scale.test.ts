import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createLog } from "@holdfast/shared/log.ts";
import { type LaneQueue, openLanes } from "@holdfast/shared/queues.ts";
import { connectRedis, type RedisClient, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { startRedisCluster } from "@holdfast/testing/redis-cluster.ts";
import { startRedisSentinel } from "@holdfast/testing/redis-sentinel.ts";
import { eventually } from "@holdfast/testing/world.ts";
import { openWorker } from "@holdfast/worker/open-worker.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startRedis } from "../local/redis.ts";

/**
 * Threads of BullMQ's tracker in which a worker that waited for a job during an outage never took
 * one again, and said nothing: https://github.com/taskforcesh/bullmq/issues and the number.
 */
const outageMs = 9_000; // longer than a blocking command and its watchdog: 5 s and 1 s

describe("a worker that waits for jobs", () => {
  let directory: string;
  const closers: (() => Promise<unknown>)[] = [];
  const warnings: string[] = []; // of listeners that each connection tried in vain leaves behind
  const onWarning = ({ name }: Error) => void warnings.push(name);
  beforeEach(async () => {
    process.on("warning", onWarning);
    directory = await mkdtemp(join(tmpdir(), "holdfast-idle-test-"));
  });
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
    await rm(directory, { recursive: true, force: true });
    process.off("warning", onWarning);
    expect(warnings.splice(0)).toEqual([]);
  });

  /** A queue and its worker, who has done a job and waits for the next. */
  const idle = async (url: string) => {
    const keys = redisKeys("");
    const clients: RedisClient[] = [connectRedis(url, "waiting", () => {}), connectRedis(url, "failing", () => {})];
    const [waiting, failing] = clients as [RedisClient, RedisClient];
    await Promise.all(clients.map(requireRedis));
    const [lane] = openLanes({ redis: failing, keys }, 1) as [LaneQueue];
    lane.on("error", () => {});
    const done: string[] = [];
    const log = createLog("test", "silent");
    const work = async ({ id = "" }: { id?: string | undefined }) => void done.push(id);
    const worker = openWorker(lane, work, { redis: waiting, keys, log }, { concurrency: 1 });
    const add = (jobId: string) => lane.add("purchase", {} as never, { jobId });
    closers.push(async () => {
      await Promise.race([worker.close(), sleep(5_000)]);
      await lane.close();
      for (const client of clients) client.disconnect();
    });
    await add("before");
    await eventually("it has done a job", async () => done.includes("before"));
    await sleep(500); // it waits for the next
    return {
      async takesAnother() {
        await eventually("a job can be added", () => add("after").then(Boolean, () => false), 40_000);
        await eventually("it has done another", async () => done.includes("after"), 20_000);
        return done.includes("after");
      },
    };
  };

  test("takes one after Redis was down for longer than it waits at a time (#4585, #2964, #648)", async () => {
    const first = await startRedis(join(directory, "redis"), () => {});
    const port = Number(new URL(first.url).port);
    const worker = await idle(first.url);
    await first.stop();
    await sleep(outageMs);
    const second = await startRedis(join(directory, "redis"), () => {}, { port });
    closers.unshift(() => second.stop());
    expect(await worker.takesAnother()).toBe(true);
  });

  test("takes one after the master was deleted and a replica took over (#3088)", async () => {
    const sentinel = await startRedisSentinel(directory);
    closers.unshift(() => sentinel.close());
    const worker = await idle(sentinel.url);
    await sentinel.killMaster();
    expect(await worker.takesAnother()).toBe(true);
  });

  test("takes one after neither master nor sentinels answered for a while (#4378)", async () => {
    const sentinel = await startRedisSentinel(directory);
    closers.unshift(() => sentinel.close());
    const worker = await idle(sentinel.url);
    const processes = [...sentinel.sentinels, ...sentinel.servers.map(({ server }) => server.process)];
    // Its connection breaks, and whom it asks for the master takes the question and answers nothing.
    for (const one of processes) one.kill("SIGSTOP");
    await sentinel.link.cut();
    await sleep(outageMs);
    for (const one of processes) one.kill("SIGCONT");
    await sentinel.link.mend();
    expect(await worker.takesAnother()).toBe(true);
  });

  test("takes one after all nodes of a Cluster hung, and lost their connections (#4138)", async () => {
    const cluster = await startRedisCluster(directory);
    closers.unshift(() => cluster.close());
    const worker = await idle(cluster.url);
    for (const { server } of cluster.nodes) server.process.kill("SIGSTOP");
    await sleep(outageMs);
    for (const { server } of cluster.nodes) server.process.kill("SIGCONT");
    await eventually(
      "the Cluster answers",
      async () => {
        const states = await Promise.all(cluster.nodes.map(({ client }) => client.cluster("INFO").catch(() => "")));
        return states.every((state) => String(state).includes("cluster_state:ok"));
      },
      30_000,
    );
    for (const { client } of cluster.nodes) await client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    expect(await worker.takesAnother()).toBe(true);
  });
});
