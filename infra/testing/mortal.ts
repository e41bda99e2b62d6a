import type { Database } from "@holdfast/shared/database.ts";
import type { Tables } from "@holdfast/shared/tables.ts";
import type { Kysely, KyselyPlugin } from "kysely";

/** A process that can die between any two steps: from then on nothing it does reaches anyone. */
export class Mortal {
  #stepsLeft = Number.POSITIVE_INFINITY;

  /** Lets it live for so many more steps. */
  liveFor(steps: number): void {
    this.#stepsLeft = steps;
  }

  get dead(): boolean {
    return this.#stepsLeft <= 0;
  }

  /** Taken before every effect on the outside. */
  step(): void {
    if (this.dead) throw new Died();
    this.#stepsLeft -= 1;
    if (this.dead) throw new Died();
  }

  /** The database as this process uses it: a transaction it dies in is rolled back. */
  database(db: Database): Database {
    const plugin: KyselyPlugin = {
      transformQuery: ({ node }) => {
        this.step();
        return node;
      },
      transformResult: async ({ result }) => result,
    };
    return (db as Kysely<Tables>).withPlugin(plugin);
  }

  /**
   * Any client as this process uses it: it may die before a call, or after it, before the answer is
   * seen.
   */
  client<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (object, name) => {
        const value: unknown = Reflect.get(object, name);
        if (typeof value === "function") {
          return (...args: unknown[]) => {
            this.step();
            const result: unknown = Reflect.apply(value as (...a: unknown[]) => unknown, object, args);
            return result instanceof Promise ? result.then((answer: unknown) => this.#seen(answer)) : result;
          };
        }
        return typeof value === "object" && value !== null ? this.client(value) : value;
      },
    });
  }

  #seen(answer: unknown): unknown {
    this.step();
    return answer;
  }
}

class Died extends Error {
  constructor() {
    super("The process died");
    this.name = "Died";
  }
}
