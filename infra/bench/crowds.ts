import { runCrowd } from "../rush/crowd.ts";
import { addItem } from "../testing/items.ts";
import type { BenchSystem } from "./bench-system.ts";
import { type Compared, compare } from "./compare.ts";

const buyers = 5_000;
const units = 100;
const connections = 256;
const decided = new Set(["reserved", "confirmed", "out_of_stock", "cancelled", "rejected"]);
const accepted = new Set(["queued", ...decided]);

/**
 * 5,000 shoppers and 100 units: how long until the last of them knows whether they get one. One API server and one worker, against one
 * Fastify server that decides with one statement per purchase. Payments come after that and are the same for both.
 */
export async function compareCrowds(
  system: BenchSystem,
  rounds: number,
  say: (text: string) => void,
): Promise<Compared[]> {
  const simulator = await system.start("simulator");
  const bare = await system.start("bare");
  const worker = await system.start("worker", { STRIPE_API_BASE: simulator.url ?? "" });
  const api = await system.start("api");
  const alone = await system.start("api", { REDIS_PREFIX: "alone:" }); // nobody works on its lanes
  let crowd = 0;
  /** @returns crowds a second */
  const answer = async (
    { url }: { url: string | null },
    route: string,
    follow: "hold" | "wait",
    answers: ReadonlySet<string>,
  ) => {
    crowd += 1;
    const itemId = `crowd-${Date.now().toString(36)}-${crowd}`;
    await addItem(system.db, itemId, units);
    await (await fetch(`${url}/items/${itemId}`)).arrayBuffer(); // the server has heard of it
    let lastAnswerMs = 0;
    const strange = new Set<string>();
    const firstShopper = crowd * buyers;
    await runCrowd({
      urls: [url ?? ""],
      itemIds: [itemId],
      route,
      buyers,
      overMs: 0,
      follow,
      answers,
      connections,
      keyed: false, // the one statement has no answer to a repeat
      patienceMs: 60_000,
      tokenOf: (shopper) => system.tokenOf(firstShopper + shopper),
      paymentMethodOf: () => "pm_card_visa",
      onFare: ({ outcome, settledMs }) => {
        if (!answers.has(outcome)) strange.add(outcome);
        lastAnswerMs = Math.max(lastAnswerMs, settledMs);
      },
    });
    if (strange.size > 0) throw new Error(`Shoppers were told ${[...strange].join(", ")}`);
    return 1_000 / lastAnswerMs;
  };
  try {
    say(`  ${buyers} shoppers, ${units} units, until the last of them knows: crowds a second`);
    const ways = [
      {
        name: "a Fastify route with ONE statement per purchase",
        run: () => answer(bare, "/one-statement", "hold", decided),
      },
      {
        name: "Holdfast, the answer to the purchase held (Prefer: wait)",
        run: () => answer(api, "/purchase", "hold", decided),
      },
      {
        name: "Holdfast, accepting alone: no worker, only the 202",
        run: () => answer(alone, "/purchase", "wait", accepted),
      },
    ];
    return await compare(rounds, ways, say);
  } finally {
    for (const part of [api, alone, worker, bare, simulator]) await part.stop();
    await system.redis.flushall();
  }
}
