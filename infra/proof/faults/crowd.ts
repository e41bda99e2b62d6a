import { setTimeout as sleep } from "node:timers/promises";
import type { Chance } from "./chance.ts";
import { type Character, type Surroundings, shop, type Tale } from "./shopper.ts";

export interface Crowd {
  /** Every shopper so far. */
  readonly tales: readonly Tale[];
  /** Lets so many in at this moment, besides. */
  rush(count: number): void;
  /**
   * Lets nobody in any more, and waits until those who are there have their final answer or lose
   * patience.
   */
  finish(): Promise<void>;
}

const mostAtOnce = 5_000; // shoppers who wait for something; only where nothing is answered at all do they become so many

/**
 * A steady crowd, open loop: shoppers come at random moments, `ratePerSecond` on average, whatever
 * is going on in the shop.
 * @param characterOf who comes next
 */
export function startCrowd(
  around: Surroundings,
  ratePerSecond: number,
  characterOf: (chance: Chance) => Character,
): Crowd {
  const tales: Tale[] = [];
  const shoppers = new Set<Promise<void>>();
  const unforeseen: unknown[] = [];
  let open = true;
  const letIn = () => {
    if (shoppers.size >= mostAtOnce) return;
    const shopper = shop(around, characterOf(around.chance), (tale) => tales.push(tale))
      .catch((error: unknown) => void unforeseen.push(error))
      .finally(() => shoppers.delete(shopper));
    shoppers.add(shopper);
  };
  const arrivals = (async () => {
    let nextAtMs = Date.now();
    while (open) {
      nextAtMs += (-Math.log(1 - around.chance.draw()) * 1_000) / ratePerSecond;
      await sleep(Math.max(0, nextAtMs - Date.now()));
      letIn();
    }
  })();
  return {
    tales,
    rush(count) {
      for (let i = 0; i < count; i++) letIn();
    },
    async finish() {
      open = false;
      await arrivals;
      await Promise.all(shoppers);
      if (unforeseen.length > 0) throw unforeseen[0];
    },
  };
}

/**
 * A mixed crowd: most pay with a card that works, some with one that is declined or asks their
 * bank, some without an Idempotency-Key, a few change their mind.
 */
export function mixedCharacter(itemIds: readonly string[]): (chance: Chance) => Character {
  return (chance) => {
    const card = chance.draw();
    return {
      itemId: chance.pick(itemIds),
      quantity: chance.happens(0.2) ? 2 : 1,
      keyed: chance.happens(0.8),
      paymentMethod:
        card < 0.75 ? "pm_card_visa" : card < 0.88 ? "pm_card_chargeDeclined" : "pm_card_authenticationRequired",
      authenticates: chance.happens(0.8),
      waits: chance.happens(0.5),
      cancelsAfterMs: chance.happens(0.05) ? chance.between(0, 500) : null,
    };
  };
}
