import { mulberry32 } from "@holdfast/infra/stripe-simulator/faults.ts";
import { type BrowserShop, startBrowserShop } from "@holdfast/testing/browser-shop.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { Person } from "@holdfast/testing/person.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const walks = Number(process.env.WALKS ?? 80);
const firstSeed = Number(process.env.SEED ?? 4_000);
const atATime = 4;
const restartEvery = 8; // walks
const items = ["plenty", "plenty", "scarce"];
const cards = [
  "pm_card_visa",
  "pm_card_visa",
  "pm_card_authenticationRequired",
  "pm_card_chargeDeclined",
  "pm_card_chargeDeclinedInsufficientFunds",
];

/** What a shopper may do to a page that sells, and what must come of it. */
describe("a person in the browser", () => {
  let shop: BrowserShop;
  let restarting: Promise<void> = Promise.resolve();
  beforeAll(async () => {
    shop = await startBrowserShop();
    await addItem(shop.world.db, "plenty", 10_000, { name: "Poster", payment_retries: 1 });
    await addItem(shop.world.db, "scarce", 20, { name: "Print" });
  });
  afterAll(async () => {
    await restarting;
    await shop.close();
  });

  const restart = async () => {
    await shop.killServer();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await shop.reviveServer();
  };

  const ordersOf = (shoppers: readonly string[]) =>
    shop.world.db
      .selectFrom("orders")
      .select(["id", "status"])
      .where("shopper_id", "in", [...shoppers, ""])
      .execute();

  /** One person who wants a few units, one after the other. */
  async function walk(seed: number, story: string[]): Promise<void> {
    const random = mulberry32(seed);
    const chance = (below: number) => Math.floor(random() * below);
    const person = await Person.arrive(shop, chance, (what) => story.push(what));
    try {
      const got: string[] = [];
      for (let wants = 1 + chance(3); wants > 0; wants--) {
        const [item, card] = [items[chance(items.length)] ?? "", cards[chance(cards.length)] ?? ""];
        story.push(`wants ${item} with ${card}`);
        const orders = await person.want(item, card);
        expect(orders.length, "what is wanted once is bought once").toBeLessThanOrEqual(1);
        got.push(...orders);
      }
      const seen = await person.settleAll();
      const known = await ordersOf(await person.sessions());
      expect(known.map(({ id }) => id).toSorted(), "every order was wanted").toEqual(got.toSorted());
      expect(seen.map(({ id }) => id).toSorted(), "every order is on the page").toEqual(got.toSorted());
      const shown = new Map(seen.map(({ id, status }) => [id, status]));
      for (const { id, status } of known) expect(shown.get(id), `what the page says of ${id}`).toBe(status);
      const ours = (await shop.simulator.ledger()).filter(({ orderId }) => shown.has(orderId ?? ""));
      const kept = ours.filter(({ amountReceived, amountRefunded }) => amountReceived > amountRefunded);
      const paid = kept.map(({ orderId }) => orderId ?? "").toSorted();
      const confirmed = known.filter(({ status }) => status === "confirmed").map(({ id }) => id);
      expect(paid, "each confirmed order was paid once, and nothing else").toEqual(confirmed.toSorted());
    } finally {
      await person.leave();
    }
  }

  test(`${walks} walks from seed ${firstSeed}: never two charges for one intention, every charge is on the page`, {
    timeout: 30 * 60_000,
  }, async () => {
    let begun = 0;
    const next = async (): Promise<void> => {
      while (begun < walks) {
        const seed = firstSeed + begun;
        begun += 1;
        if (begun % restartEvery === 0) restarting = restarting.then(restart);
        const story: string[] = [];
        await walk(seed, story).catch((error: Error) => {
          throw new Error(`Walk with SEED=${seed}: ${error.message}\n  ${story.join("\n  ")}`, { cause: error });
        });
      }
    };
    await Promise.all(Array.from({ length: atATime }, next));
    for (const item of new Set(items)) {
      expect(await booksOf(shop.world.db, item)).toMatchObject({ balanced: true, reserved: 0 });
    }
  });
});
