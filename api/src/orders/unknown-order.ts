import type { Database } from "@holdfast/shared/database.ts";
import { viewTtlMs } from "@holdfast/shared/order-view.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import {
  judgeGeneration,
  probeGeneration,
  readKnownGeneration,
  readLosses,
} from "@holdfast/shared/redis-generation.ts";
import { coalesce } from "../coalesce.ts";
import { Problem } from "../http/problems.ts";

export interface UnknownOrderParts extends Store {
  readonly db: Database;
}

/**
 * As `unknownOrder`, but found out once for all who ask meanwhile: what is said does not depend on
 * the order.
 */
export function unknownOrderTeller(parts: UnknownOrderParts): () => Promise<Problem> {
  const limits = { maxBatch: 20_000, maxWaiting: 20_000, maxUnderWay: 1 };
  const ask = coalesce<null, Problem>(limits, async (_key, asked) => {
    const problem = await unknownOrder(parts);
    return asked.map(() => problem);
  });
  return () => ask("", null);
}

const none = "You have no order with this id.";

/**
 * What is said of an order that neither Redis nor Postgres knows. An order in line is only in
 * Redis: where Redis turns out to have been emptied or restored, its silence means nothing until
 * that has been dealt with, and afterwards the order may be one that was lost. Whoever holds a 202
 * for it is told so, and what to do.
 */
export async function unknownOrder({ db, redis, keys }: UnknownOrderParts): Promise<Problem> {
  const known = await readKnownGeneration(db);
  const state = judgeGeneration(known, await probeGeneration({ redis, keys }));
  const firstStart = known === null || known.cause === "first_start";
  const beginning = state === "begin" || state === "beginning" || state === "recover";
  if (state !== "sound" && !(firstStart && beginning)) {
    return new Problem("unavailable", "Orders are being checked after a fault. Ask again in a moment.", {
      retryAfterSeconds: 2,
    });
  }
  const last = firstStart ? null : (await readLosses(db)).last;
  if (last === null || last.atMs + viewTtlMs < Date.now()) return new Problem("order_not_found", none);
  return new Problem("order_not_found", `${none} ${lossNotice(last.atMs)}`);
}

function lossNotice(atMs: number): string {
  return (
    `Orders that waited in line before ${new Date(atMs).toISOString()} were lost in a fault. If yours was one of them, no unit is ` +
    "held and nothing was charged for it: buy again, under the same Idempotency-Key where you sent one."
  );
}
