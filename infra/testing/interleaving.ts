import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "@holdfast/shared/database.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import type { Scheduler } from "fast-check";
import { Kysely, PostgresDialect, type PostgresPoolClient, sql } from "kysely";
import pg from "pg";

const actorConnections = 20; // more than there are ever actors: none of them waits for a connection
const blockedLookMs = 2; // how long a step may take before we look whether it waits for a lock
const stepMs = 40; // longer than a step takes; whoever takes longer sleeps, and the others go on meanwhile

/**
 * Connections for actors, as `openDatabase` sets them up, but for the sake of time with shorter
 * waits for locks.
 */
export function actorPool(url: string): pg.Pool {
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.INT8, Number);
  return new pg.Pool({ connectionString: url, max: actorConnections, types, lock_timeout: 3_000 });
}

/**
 * Actors that work at the same time, one step at a time: each call to the outside waits until the
 * scheduler lets it go, so that the order of all calls is the scheduler's choice, and the same
 * choice again gives the same order. A call that Postgres holds back behind another one's row lock
 * counts as taken, and the others go on: so there is always someone who can.
 */
export class Interleaving {
  /** What was let go, in its order. */
  readonly story: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #pool: pg.Pool;
  readonly #observer: Database;
  readonly #failures: unknown[] = [];
  readonly #actors = new Map<symbol, "held" | "moving" | "asleep">(); // those who are not done
  #wake = Promise.withResolvers<void>();

  /** @param observer sees what Postgres is waiting for; nobody steps on its connections */
  constructor(scheduler: Scheduler, pool: pg.Pool, observer: Database) {
    this.#scheduler = scheduler;
    this.#pool = pool;
    this.#observer = observer;
  }

  /**
   * Somebody who begins now; may be called while others are at it. What they throw ends the run.
   */
  start(name: string, act: (actor: Actor) => Promise<void>): void {
    const id = Symbol(name);
    const gate = (step: string) => this.#gate(id, `${name}: ${step}`);
    void gate("begins")
      .then(() => act(new Actor(gate, this.#pool)))
      .catch((error: unknown) => this.#failures.push(error))
      .finally(() => {
        this.#actors.delete(id);
        this.#wake.resolve();
      });
  }

  /** Lets one after the other go until all are done. @throws what an actor threw */
  async run(): Promise<void> {
    while (this.#actors.size > 0) {
      await this.#standstill();
      if (this.#scheduler.count() === 0) await this.#arrival(stepMs);
      else await this.#scheduler.waitNext(1);
      await new Promise(setImmediate); // whoever was let go is on the way
    }
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  async #gate(id: symbol, step: string): Promise<void> {
    const released = this.#scheduler.schedule(Promise.resolve(), step);
    this.#actors.set(id, "held");
    this.#wake.resolve();
    await released;
    this.#actors.set(id, "moving");
    this.story.push(step);
  }

  /** Until everyone is held at a gate, waits for a lock, sleeps, or is done. */
  async #standstill(): Promise<void> {
    const deadline = performance.now() + stepMs;
    while (this.#moving().length > 0) {
      if (await this.#arrival(blockedLookMs)) continue;
      if ((await this.#lockWaiters()) >= this.#moving().length) return;
      if (performance.now() < deadline) continue;
      for (const id of this.#moving()) this.#actors.set(id, "asleep");
    }
  }

  #moving(): symbol[] {
    return [...this.#actors].filter(([, state]) => state === "moving").map(([id]) => id);
  }

  /** Whether somebody comes to a gate, or to the end, within the time. */
  async #arrival(withinMs: number): Promise<boolean> {
    this.#wake = Promise.withResolvers();
    return Promise.race([this.#wake.promise.then(() => true), sleep(withinMs, false)]);
  }

  async #lockWaiters(): Promise<number> {
    const { rows } = await sql<{ n: number }>`
      select count(*)::integer as n from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`.execute(this.#observer);
    return rows[0]?.n ?? 0;
  }
}

/** One of those who work at the same time, and the outside as they see it. */
export class Actor {
  /** Waits for the scheduler. */
  readonly gate: (step: string) => Promise<void>;
  readonly #pool: pg.Pool;
  constructor(gate: (step: string) => Promise<void>, pool: pg.Pool) {
    this.gate = gate;
    this.#pool = pool;
  }

  /** The database; each statement is a step, begin and commit too. */
  database(): Database {
    const connect = async () => this.#heldClient(await this.#pool.connect());
    const pool = { connect, end: async () => {}, options: this.#pool.options };
    return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  }

  #heldClient(client: pg.PoolClient): PostgresPoolClient {
    const query = async (text: string, values: readonly unknown[]) => {
      await this.gate(text.trim().replace(/\s+/g, " ").slice(0, 60));
      return client.query(text, [...values]);
    };
    return { query, release: () => client.release() } as unknown as PostgresPoolClient;
  }

  /**
   * Any other client: a call is a step, and so is its answer.
   * @param asIs methods that reach nobody and are called straight away
   */
  client<T extends object>(target: T, path: string, asIs: readonly string[] = []): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name);
        const label = `${path}.${String(name)}`;
        if (typeof value === "object" && value !== null) return this.client(value, label, asIs);
        if (typeof value !== "function" || asIs.includes(String(name))) return value;
        return async (...args: unknown[]) => {
          await this.gate(label);
          const answer: unknown = await Reflect.apply(value as (...a: unknown[]) => unknown, object, args);
          await this.gate(`${label} is answered`);
          return answer;
        };
      },
    });
  }
}
