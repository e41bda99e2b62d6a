import { randomUUID } from "node:crypto";
import { addItem } from "../testing/items.ts";
import type { BenchSystem } from "./bench-system.ts";
import { type Compared, compare } from "./compare.ts";
import { loadServer } from "./http-load.ts";
import { insertRaw, reserveByStatement, reserveByTheBook, reserveInJobs, serveOneLane } from "./reserve.ts";

const json = { "content-type": "application/json" };
const body = JSON.stringify({ paymentMethod: "pm_card_visa" });

/** Reserving units of ONE hot item, every order a row in Postgres and every order finding a unit. */
export async function compareReserving(
  system: BenchSystem,
  rounds: number,
  say: (text: string) => void,
): Promise<{ alone: Compared[]; whole: Compared[] }> {
  const bare = await system.start("bare");
  let shopper = 0;
  const oneStatement = async () => {
    const itemId = `bench-${randomUUID()}`;
    await addItem(system.db, itemId, 10_000_000);
    return loadServer(bare.url ?? "", 3, 202, () => ({
      method: "POST",
      path: `/one-statement/${itemId}`,
      headers: { authorization: `Bearer ${system.tokenOf(shopper++)}`, ...json },
      body,
    }));
  };
  try {
    say("  Reserving alone, orders a second on one hot item");
    const alone = await compare(
      rounds,
      [
        {
          name: "textbook: lock, transaction, commit, unlock per order",
          run: () => reserveByTheBook(system, 1_000, false),
        },
        { name: "a Fastify route with ONE statement per purchase", run: oneStatement },
        { name: "the same statement without a web server before it", run: () => reserveByStatement(system, 8_000) },
        { name: "raw limit: the same rows by multi-row inserts", run: () => insertRaw(system, 20_000) },
        { name: "Holdfast: lock, one transaction per job of 500, unlock", run: () => reserveInJobs(system, 20_000) },
      ],
      say,
    );
    say("  The whole step, shoppers told and charges enqueued");
    const whole = await compare(
      rounds,
      [
        { name: "textbook, order by order", run: () => reserveByTheBook(system, 1_000, true) },
        { name: "Holdfast from the lane on, every order finds a unit", run: () => serveOneLane(system, 20_000, 1) },
        { name: "Holdfast from the lane on, one in fifty finds a unit", run: () => serveOneLane(system, 20_000, 0.02) },
      ],
      say,
    );
    return { alone, whole };
  } finally {
    await bare.stop();
    await system.redis.flushall();
  }
}
