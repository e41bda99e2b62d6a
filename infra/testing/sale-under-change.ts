import { setTimeout as sleep } from "node:timers/promises";
import type { PrivateSystem } from "@holdfast/infra/local/private-system.ts";
import { type Chance, chanceOf } from "@holdfast/infra/proof/faults/chance.ts";
import { startCrowd } from "@holdfast/infra/proof/faults/crowd.ts";
import { gatherEvidence, isSettled } from "@holdfast/infra/proof/faults/evidence.ts";
import { judge, type Verdict } from "@holdfast/infra/proof/faults/judge.ts";
import { shopClient, type Tls } from "@holdfast/infra/proof/faults/shop-client.ts";
import type { Character, Tale } from "@holdfast/infra/proof/faults/shopper.ts";
import type { Database } from "@holdfast/shared/database.ts";
import { type RedisClient, redisKeys } from "@holdfast/shared/redis.ts";
import { addItem } from "./items.ts";
import { eventually } from "./world.ts";

/** A system in whose storage or processes something is about to change. */
export interface SaleParts {
  readonly system: Pick<PrivateSystem, "apiUrls" | "jwtSecret" | "simulatorUrl">;
  readonly db: Database;
  readonly redis: RedisClient;
  readonly redisPrefix: string;
  /** Where shoppers press Buy; the API servers themselves where nothing stands before them. */
  readonly urls?: readonly string[];
  /** What those are connected to by, where not in plain text. */
  readonly tls?: Tls;
  readonly shoppers?: number;
  readonly perSecond?: number;
}

export interface SaleUnderChange extends Verdict {
  readonly tales: readonly Tale[];
  readonly statuses: ReadonlyMap<number, number>;
  readonly accepted: number;
  readonly confirmed: number;
  /** Accepted orders that were said not to exist later. */
  readonly gone: number;
  /** The longest time in which nobody had a 202, from the first to the last of them. */
  readonly longestPauseMs: number;
}

const price = 1_999;
const seed = 7;
const settleTimeoutMs = 60_000;

/**
 * Lets shoppers of all kinds at four items, changes something in the middle of it, and holds what
 * came of it against Postgres, the books and the provider's ledger as the fault suite does.
 * @param change what is done while they come; what it resolves with says when Redis lost orders,
 *   where it did
 */
export async function saleUnderChange(
  { system, db, redis, redisPrefix, urls = system.apiUrls, tls, shoppers = 2_000, perSecond = 300 }: SaleParts,
  change: () => Promise<{ redisLostAtMs: number } | undefined>,
): Promise<SaleUnderChange> {
  const run = Date.now().toString(36);
  const itemIds = Array.from({ length: 4 }, (_, i) => `sale-${run}-${i + 1}`);
  for (const [i, id] of itemIds.entries()) {
    await addItem(db, id, i === 0 ? shoppers : 50, { price_minor: price, hold_seconds: 60 });
  }
  const client = shopClient(urls, tls && { tls });
  const { jwtSecret, simulatorUrl } = system;
  const around = { client, jwtSecret, simulatorUrl, chance: chanceOf(seed), patienceMs: 120_000 };
  const crowd = startCrowd(around, perSecond, characterOf(itemIds));
  try {
    // Both, because a system that has just been without its storage refuses the first of them for a
    // while; people keep coming until the change is over, so it is in the middle of the sale anyhow.
    await eventually("a quarter of them came", async () => crowd.tales.length >= shoppers / 4, 60_000);
    await eventually("a twentieth of them were accepted", async () => acceptedOf(crowd.tales) >= shoppers / 20, 60_000);
    const changed = await change();
    await eventually("all of them came", async () => crowd.tales.length >= shoppers, 120_000);
    await crowd.finish();
    const stage = { db, redisClient: redis, keys: redisKeys(redisPrefix), simulatorUrl };
    const deadline = Date.now() + settleTimeoutMs;
    while (!(await isSettled(stage, itemIds)) && Date.now() < deadline) await sleep(200);
    const evidence = await gatherEvidence(stage, itemIds, crowd.tales, client.statuses);
    const verdict = judge(evidence, price, changed?.redisLostAtMs ?? null);
    const sold = evidence.rows.filter(({ status }) => status === "confirmed").length;
    const wentOn = { check: "the sale went on", ok: sold >= shoppers / 8, found: `${sold} confirmed` };
    return {
      ...verdict,
      findings: [...verdict.findings, wentOn],
      tales: crowd.tales,
      statuses: client.statuses,
      accepted: acceptedOf(crowd.tales),
      confirmed: evidence.rows.filter(({ status }) => status === "confirmed").length,
      gone: crowd.tales.filter(({ denied }) => denied > 0).length,
      longestPauseMs: longestPause(crowd.tales),
    };
  } finally {
    await crowd.finish();
    await client.close();
  }
}

/** As in the fault suite, but nobody's bank asks: that is waited for until a hold ends. */
function characterOf(itemIds: readonly string[]): (chance: Chance) => Character {
  return (chance) => ({
    itemId: chance.pick(itemIds),
    quantity: chance.happens(0.2) ? 2 : 1,
    keyed: chance.happens(0.8),
    paymentMethod: chance.happens(0.85) ? "pm_card_visa" : "pm_card_chargeDeclined",
    authenticates: true,
    waits: chance.happens(0.5),
    cancelsAfterMs: null,
  });
}

function acceptedOf(tales: readonly Tale[]): number {
  return tales.filter(({ orderId }) => orderId !== null).length;
}

function longestPause(tales: readonly Tale[]): number {
  const accepted = tales.flatMap(({ acceptedMs }) => acceptedMs ?? []).toSorted((a, b) => a - b);
  return accepted.reduce((longest, at, i) => Math.max(longest, at - (accepted[i - 1] ?? at)), 0);
}

/** In a line, for the log of the tests. */
export function describeSale(name: string, sale: SaleUnderChange): string {
  const { tales, accepted, confirmed, gone, lost, doubled, oversold, longestPauseMs, statuses } = sale;
  const answers = JSON.stringify(Object.fromEntries([...statuses].toSorted(([a], [b]) => a - b)));
  return (
    `${name}: ${tales.length} shoppers, ${accepted} accepted, ${confirmed} confirmed; gone ${gone}, lost ${lost}, doubled ${doubled}, ` +
    `oversold ${oversold}; longest pause ${(longestPauseMs / 1_000).toFixed(1)} s; answers ${answers}\n`
  );
}
