import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { RaisedName } from "../alarm.ts";
import { alarmName } from "../alarm.ts";
import { alarmNames } from "../alarm-catalogue.ts";
import { type Database, poolOf } from "../database.ts";

/** What every process of ours exports: https://prometheus.io/docs/practices/naming */
export interface ProcessMetrics {
  readonly registry: Registry;
  /** Counts an alarm that was raised here. */
  readonly countAlarm: (name: RaisedName) => void;
  /** Shows how many connections of a pool are in use, and how many wait for one. */
  readonly watchPool: (name: string, db: Database) => void;
  readonly setStorage: (redis: "up" | "down", postgres: "up" | "down" | "read_only") => void;
}

/** Makes metrics in a registry; every name begins with `holdfast_`. */
export function metricsIn(registry: Registry) {
  const registers = [registry];
  const of = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) => {
    return { name: `holdfast_${name}`, help, labelNames: [...labelNames], registers };
  };
  return {
    counter: <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Counter<Label>(of(name, help, labelNames)),
    gauge: <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
      new Gauge<Label>(of(name, help, labelNames)),
    histogram: <Label extends string = never>(
      name: string,
      help: string,
      buckets: readonly number[],
      labelNames: readonly Label[] = [],
    ) => new Histogram<Label>({ ...of(name, help, labelNames), buckets: [...buckets] }),
    /** A gauge whose value is read when it is asked for. */
    reading: (name: string, help: string, read: () => number) => {
      new Gauge({
        ...of(name, help, []),
        collect() {
          this.set(read());
        },
      });
    },
  };
}

/**
 * @param scope `process` for the standard `process_` and `nodejs_` metrics too: once in each
 *   process
 */
export function createProcessMetrics(version: string, scope: "process" | "ours only" = "process"): ProcessMetrics {
  const registry = new Registry();
  if (scope === "process") collectDefaultMetrics({ register: registry });
  const { counter, gauge } = metricsIn(registry);
  gauge("build_info", "1, with the version that runs", ["version"]).set({ version }, 1);
  const raised = counter("alarms_raised_total", "Alarms that this process has raised", ["alarm"]);
  // From the start, so that the first one is an increase.
  for (const alarm of alarmNames) raised.inc({ alarm }, 0);
  const redisUp = gauge("redis_up", "1 while Redis takes writes");
  const postgresUp = gauge("postgres_up", "1 while Postgres answers");
  const postgresReadOnly = gauge("postgres_read_only", "1 while Postgres takes no writes");
  return {
    registry,
    countAlarm: (name) => raised.inc({ alarm: alarmName(name) }),
    watchPool: poolWatch(registry),
    setStorage(redis, postgres) {
      redisUp.set(redis === "up" ? 1 : 0);
      postgresUp.set(postgres === "down" ? 0 : 1);
      postgresReadOnly.set(postgres === "read_only" ? 1 : 0);
    },
  };
}

function poolWatch(registry: Registry): ProcessMetrics["watchPool"] {
  const pools = new Map<string, Database>();
  new Gauge({
    name: "holdfast_postgres_connections",
    help: "Connections to Postgres by pool, in use and idle",
    labelNames: ["pool", "state"] as const,
    registers: [registry],
    collect() {
      for (const [pool, db] of pools) {
        const { totalCount, idleCount } = poolOf(db);
        this.set({ pool, state: "busy" }, totalCount - idleCount);
        this.set({ pool, state: "idle" }, idleCount);
      }
    },
  });
  new Gauge({
    name: "holdfast_postgres_waiting",
    help: "Statements that wait for a connection to Postgres, by pool",
    labelNames: ["pool"] as const,
    registers: [registry],
    collect() {
      for (const [pool, db] of pools) this.set({ pool }, poolOf(db).waitingCount);
    },
  });
  return (name, db) => void pools.set(name, db);
}
