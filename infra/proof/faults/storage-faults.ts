import { execFile } from "node:child_process";
import { cp, mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { sql } from "kysely";
import type { Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";

/** What can happen to Postgres and Redis without losing what they had. */

const run = promisify(execFile);

export const redisKilled: Scenario = {
  name: "redis-killed",
  title: "kill -9 and restart of Redis: every 202 was on its disk",
  async strike({ stage, chance }) {
    const struckAtMs = Date.now();
    await stage.redis.kill();
    await sleep(chance.between(300, 3_000));
    await stage.redis.start();
    return { struckAtMs, backAtMs: Date.now() };
  },
};

export const postgresKilled: Scenario = {
  name: "postgres-killed",
  title: "kill -9 and restart of Postgres: purchases are accepted meanwhile, and decided after it",
  async strike({ stage, chance }) {
    const struckAtMs = Date.now();
    await stage.postgres.kill();
    await sleep(chance.between(300, 3_000));
    await stage.postgres.start();
    return { struckAtMs, backAtMs: Date.now() };
  },
};

export const bothKilled: Scenario = {
  name: "storage-killed",
  title: "kill -9 and restart of Redis and Postgres together",
  async strike({ stage, chance }) {
    const struckAtMs = Date.now();
    await Promise.all([stage.redis.kill(), stage.postgres.kill()]);
    await sleep(chance.between(300, 2_000));
    await Promise.all([stage.redis.start(), stage.postgres.start()]);
    return { struckAtMs, backAtMs: Date.now() };
  },
};

export const postgresFailover: Scenario = {
  name: "postgres-failover",
  title: "a Postgres failover: every connection dropped, read-only for seconds, every connection dropped again",
  async strike({ stage, lasting }) {
    const struckAtMs = Date.now();
    await setReadOnly(stage, true);
    await sleep(lasting(2_000, 6_000));
    await setReadOnly(stage, false);
    return { struckAtMs, backAtMs: Date.now() };
  },
};

/** As the clients see it when a standby takes over, and then becomes writable. */
async function setReadOnly({ db }: Stage, readOnly: boolean): Promise<void> {
  await db.connection().execute(async (connection) => {
    const setting = sql.raw(readOnly ? "on" : "off");
    // Its own sessions are all there are; this one may write, so that it can be taken back.
    await sql`set default_transaction_read_only = off`.execute(connection);
    await sql`alter role current_user set default_transaction_read_only = ${setting}`.execute(connection);
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where backend_type = 'client backend' and usename = current_user and pid <> pg_backend_pid()`.execute(connection);
  });
}

export const redisOutOfMemory: Scenario = {
  name: "redis-out-of-memory",
  title: "a Redis at its maxmemory, which refuses every write: 503, and nothing of what it has is lost",
  async strike({ stage, chance, lasting }) {
    const struckAtMs = Date.now();
    await stage.redisClient.config("SET", "maxmemory", "1mb");
    await sleep(chance.between(lasting(1_500, 2_000), lasting(2_500, 8_000)));
    await stage.redisClient.config("SET", "maxmemory", "0");
    return { struckAtMs, backAtMs: Date.now() };
  },
};

const smallDiskBytes = 64 * 1024 * 1024;

/**
 * With `appendfsync always` a Redis that cannot write ends itself, rather than promise what it
 * cannot keep; whoever watches over it starts it again and again. A file system of its own needs
 * root; elsewhere the scenario above has to stand for this one.
 */
export const redisDiskFull: Scenario = {
  name: "redis-disk-full",
  title:
    "a full disk under Redis: it ends itself at each write until there is room again, and every 202 was on the disk",
  async strike(scene) {
    const { stage, chance, lasting } = scene;
    const disk = join(stage.directory, "small-disk");
    if (!(await mountSmallDisk(disk))) {
      const fault = await redisOutOfMemory.strike(scene);
      return { ...fault, note: "maxmemory instead: a disk of its own needs root" };
    }
    const home = stage.redisDirectory;
    try {
      await moveRedis(stage, join(disk, "redis"));
      await sleep(1_000);
      const deathsBefore = stage.redis.deaths;
      const struckAtMs = Date.now();
      await fillUp(disk);
      const endMs = Date.now() + chance.between(lasting(2_000, 3_000), lasting(3_000, 10_000));
      while (Date.now() < endMs) {
        await stage.redis.start().catch(() => {}); // it may end before it answers
        await sleep(200);
      }
      await rm(join(disk, "ballast"));
      await stage.redis.start();
      const backAtMs = Date.now();
      const deaths = stage.redis.deaths - deathsBefore;
      const findings = [{ check: "Redis met its full disk", ok: deaths > 0, found: `it ended itself ${deaths} times` }];
      return { struckAtMs, backAtMs, note: `a tmpfs of 64 MB, ${deaths} ends`, findings };
    } finally {
      try {
        await moveRedis(stage, home);
      } finally {
        await run("umount", ["--lazy", disk]);
      }
    }
  },
};

async function mountSmallDisk(disk: string): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  await mkdir(disk, { recursive: true });
  return run("mount", ["-t", "tmpfs", "-o", `size=${smallDiskBytes}`, "tmpfs", disk]).then(
    () => true,
    () => false,
  );
}

/** An orderly stop and start, with its data somewhere else. */
async function moveRedis(stage: Stage, folder: string): Promise<void> {
  await stage.redis.terminate();
  await rm(folder, { recursive: true, force: true });
  await cp(stage.redisDirectory, folder, { recursive: true });
  stage.redisDirectory = folder;
  await stage.redis.start();
}

/** Leaves not a block free. */
async function fillUp(disk: string): Promise<void> {
  for (;;) {
    const { bavail, bsize } = await statfs(disk);
    if (bavail === 0) return;
    await writeFile(join(disk, "ballast"), Buffer.alloc(bavail * bsize), { flag: "a" }).catch(() => {});
  }
}

export const redisDemoted: Scenario = {
  name: "redis-demoted",
  title: "a Redis that is demoted and promoted again while every connection to it stays open",
  async strike({ stage, chance, lasting }) {
    const struckAtMs = Date.now();
    await stage.redisClient.replicaof("127.0.0.1", "1"); // nobody there: it keeps what it has, and takes no write
    await sleep(2_500); // a look is kept for a second, and the next may take one
    const ready = await Promise.all(stage.apiUrls.map(async (url) => (await fetch(`${url}/readyz`)).status));
    await sleep(chance.between(0, lasting(1_000, 10_000)));
    await stage.redisClient.replicaof("NO", "ONE");
    const finding = {
      check: "no API server was ready meanwhile",
      ok: ready.every((status) => status === 503),
      found: ready.join(", "),
    };
    return { struckAtMs, backAtMs: Date.now(), findings: [finding] };
  },
};
