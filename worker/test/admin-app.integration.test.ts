import { readReports } from "@holdfast/shared/fleet-report.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readWorkerConfig } from "../src/config.ts";
import { type RunningWorker, startWorker } from "../src/worker.ts";

describe("a worker's ADMIN_PORT", () => {
  let world: World;
  let worker: RunningWorker;
  beforeAll(async () => {
    world = await createWorld();
    const env = { ...world.env, ADMIN_PORT: "0", WORKER_ROLES: "reserve,webhook" };
    worker = await startWorker(readWorkerConfig(env), createLog("worker", "silent"));
  });
  afterAll(async () => {
    await worker.close();
    await world.close();
  });
  const ask = (path: string) => fetch(`${worker.adminAddress}${path}`);

  test("says that it is alive, and which queues of its roles it serves", async () => {
    const answer = await ask("/healthz");
    expect(answer.status).toBe(200);
    const { queues, roles } = (await answer.json()) as {
      queues: { queue: string; served: boolean }[];
      roles: string[];
    };
    expect(roles).toEqual(["reserve", "webhook"]);
    expect(queues.map(({ queue }) => queue)).toEqual(["{lane-0}", "{lane-1}", "{lane-2}", "{lane-3}"]);
    expect(queues.every(({ served }) => served)).toBe(true);
  });

  test("says within a second that Postgres takes no writes, and that it takes them again", async () => {
    const readiness = async () => {
      const answer = await ask("/readyz");
      return { ...((await answer.json()) as { postgres: string }), status: answer.status };
    };
    expect(await readiness()).toMatchObject({ status: 200, postgres: "up" });
    const name = sql.id(new URL(world.databaseUrl).pathname.slice(1));
    await sql`alter database ${name} set default_transaction_read_only = on`.execute(world.db);
    // Those that are connected keep what was set when they connected.
    const ours = sql`pid <> pg_backend_pid() and datname = current_database()`;
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`.execute(world.db);
    await eventually("it is known", async () => (await readiness()).postgres === "read_only");
    expect((await ask("/healthz")).status).toBe(200);
    const admin = sql`alter database ${name} set default_transaction_read_only = off`;
    await world.db.connection().execute(async (db) => {
      await sql`set session characteristics as transaction read write`.execute(db);
      await admin.execute(db);
    });
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where ${ours}`.execute(world.db);
    await eventually("it is up again", async () => (await readiness()).status === 200);
  });

  test("exports metrics by Prometheus' conventions: standard names, seconds, totals, no ids", async () => {
    const text = await (await ask("/metrics")).text();
    for (const name of ["process_cpu_seconds_total", "nodejs_eventloop_lag_seconds", "holdfast_postgres_up 1"])
      expect(text).toContain(name);
    for (const line of text.split("\n").filter((one) => one.startsWith("# TYPE holdfast_"))) {
      const [, , name = "", type] = line.split(" ");
      expect(name).toMatch(/^holdfast_[a-z_]+$/);
      if (type === "counter") expect(name).toMatch(/_total$/);
      if (type === "histogram") expect(name).toMatch(/_(seconds|orders)$/);
    }
  });

  test("it reports itself to the fleet with its roles, and no more once it has left", async () => {
    await eventually("it is there", async () => (await readReports(world)).length === 1);
    const [report] = await readReports(world);
    expect(report).toMatchObject({ kind: "worker", roles: ["reserve", "webhook"], provider: null, leaving: false });
    expect(Math.abs(report?.clockAheadMs ?? 9_999)).toBeLessThan(2_000);
    const env = { ...world.env, WORKER_ROLES: "webhook" };
    const second = await startWorker(readWorkerConfig(env), createLog("worker", "silent"));
    await eventually("both are there", async () => (await readReports(world)).length === 2);
    await second.close();
    expect(await readReports(world)).toHaveLength(1);
  });
});
