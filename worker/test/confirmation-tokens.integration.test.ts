import { payWithAnotherCard } from "@holdfast/api/orders/change-order.ts";
import { openChargeQueue } from "@holdfast/shared/queues.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createPaymentWorld, type PaymentWorld } from "@holdfast/testing/payments.ts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

const minuteMs = 60_000;
const create = { method: "POST", path: "/v1/payment_intents" };

/**
 * A card that comes from the shopper's browser as a confirmation token: good for one try, and not
 * for long.
 */
describe("an order paid with a confirmation token", () => {
  let world: PaymentWorld;
  let itemId = "";
  beforeAll(async () => {
    world = await createPaymentWorld();
  });
  afterAll(() => world.close());
  beforeEach(async () => {
    itemId = `item-${Math.random().toString(36).slice(2)}`;
    await addItem(world.db, itemId, 10, { payment_retries: 0 });
    await world.simulator.configure({ confirmationTokenLifeMs: 15 * minuteMs, listLagMs: 0, outage: false });
    await world.simulator.script([]);
  });
  const token = async (card = "pm_card_visa") => {
    const made = await world.simulator.stripe.testHelpers.confirmationTokens.create({ payment_method: card });
    return made.id;
  };
  const anotherCard = async (orderId: string, card: string) => {
    const charges = openChargeQueue(world);
    const { shopper_id } = await world.order(orderId);
    try {
      return await payWithAnotherCard({ ...world, laneCount: 4, charges }, shopper_id, orderId, card);
    } finally {
      await charges.close();
    }
  };
  const settleFor = async (orderId: string, ms: number) => {
    for (let leftMs = ms; leftMs > 0; ) {
      const dueInMs = await world.settle(orderId);
      if (dueInMs === null) return;
      await world.letTimePass(Math.max(1, Math.ceil(dueInMs)));
      leftMs -= Math.max(1, dueInMs);
    }
  };
  const kept = async (orderId: string) =>
    (await world.payments(orderId)).map((p) => p.amountReceived - p.amountRefunded).filter((amount) => amount > 0);
  const inventory = async () =>
    (await world.db.selectFrom("items").select("inventory").where("id", "=", itemId).executeTakeFirstOrThrow())
      .inventory;

  test("is confirmed, declined or held for the bank as with any card", async () => {
    const paid = await world.reserve(itemId, { card: await token() });
    await world.settle(paid);
    expect((await world.order(paid)).status).toBe("confirmed");
    expect(await kept(paid)).toEqual([1_999]);
    const declined = await world.reserve(itemId, { card: await token("pm_card_chargeDeclinedInsufficientFunds") });
    await world.settle(declined);
    expect(await world.order(declined)).toMatchObject({ status: "cancelled", decline_code: "insufficient_funds" });
    const asked = await world.reserve(itemId, { card: await token("pm_card_authenticationRequired") });
    await world.settle(asked);
    expect(await world.order(asked)).toMatchObject({ status: "reserved", payment_status: "requires_action" });
    expect(await inventory()).toBe(8);
  });

  test.each(["grew stale in line", "was used before", "was forgotten by the provider meanwhile"])(
    "keeps its unit and asks for the card again where the token %s, whatever the item allows after a decline",
    async (what) => {
      let card = await token();
      if (what === "was used before") await world.settle(await world.reserve(itemId, { card }));
      if (what === "was forgotten by the provider meanwhile") card = "ctoken_forgotten";
      const placedAtMs = Date.now() - (card === "ctoken_forgotten" ? 20 * minuteMs : 0);
      const orderId = await world.reserve(itemId, { card, placedAtMs });
      if (what === "grew stale in line") await world.letTimePass(16 * minuteMs);
      const before = await inventory();
      await world.settle(orderId);
      expect(await world.order(orderId)).toMatchObject({
        status: "reserved",
        payment_status: "declined",
        decline_code: "stale_token",
        payment_cards: 1,
        payment_untried: 1,
      });
      expect((await world.order(orderId)).hold_expires_at).not.toBeNull();
      expect(await inventory()).toBe(before);
      expect(await kept(orderId)).toEqual([]);
      // Looked at again, it stays so: nothing is sent without another card.
      await world.settle(orderId);
      expect(await world.order(orderId)).toMatchObject({ payment_untried: 1, payment_attempt: 1 });
      await anotherCard(orderId, await token());
      await world.settle(orderId);
      expect((await world.order(orderId)).status).toBe("confirmed");
      expect(await kept(orderId)).toEqual([1_999]);
    },
  );

  const used = async () => {
    const card = await token();
    await world.settle(await world.reserve(itemId, { card }));
    return card;
  };

  test("has as many cards after a stale token as without one: a decline then is the end", async () => {
    const orderId = await world.reserve(itemId, { card: await used() });
    await world.settle(orderId);
    await anotherCard(orderId, await used());
    await world.settle(orderId);
    expect(await world.order(orderId)).toMatchObject({ status: "reserved", payment_untried: 2 });
    await anotherCard(orderId, await token("pm_card_chargeDeclined"));
    await world.settle(orderId);
    expect(await world.order(orderId)).toMatchObject({ status: "cancelled", reason: "payment_failed" });
    expect(await inventory()).toBe(8);
  });

  test("holds no unit where the token never was one, or where the fourth cannot be tried", async () => {
    const madeUp = await world.reserve(itemId, { card: "ctoken_made_up" });
    await world.settle(madeUp);
    expect(await world.order(madeUp)).toMatchObject({ status: "cancelled", decline_code: "resource_missing" });
    expect(await inventory()).toBe(10);
    const card = await used();
    const orderId = await world.reserve(itemId, { card });
    await world.settle(orderId);
    for (let more = 0; more < 3; more++) {
      await anotherCard(orderId, card);
      await world.settle(orderId);
    }
    expect(await world.order(orderId)).toMatchObject({ status: "cancelled", payment_untried: 3 });
    expect(await inventory()).toBe(9);
  });

  test("ends with its hold where the card never comes, and the unit goes back", async () => {
    const orderId = await world.reserve(itemId, { card: await used() });
    await settleFor(orderId, 20 * minuteMs);
    expect(await world.order(orderId)).toMatchObject({ status: "cancelled", reason: "hold_expired" });
    expect(await inventory()).toBe(9);
    expect(await kept(orderId)).toEqual([]);
  });

  test.each(["reset_after", "error_after", "reset_before", "error_before"] as const)(
    "whose charge was answered by %s is charged once, and its shopper not asked for a second card in vain",
    async (fault) => {
      await world.simulator.script([{ ...create, fault, times: 1 }]);
      const orderId = await world.reserve(itemId, { card: await token() });
      await settleFor(orderId, 10 * minuteMs);
      expect((await world.order(orderId)).status).toBe("confirmed");
      expect(await kept(orderId)).toEqual([1_999]);
      expect(await world.events(orderId)).not.toContain("payment_declined");
    },
  );

  test.each(["reset_after", "error_after", "reset_before", "error_before", "never"] as const)(
    "whose second token was answered by %s is charged once with it, though the payment spoke of the first",
    async (fault) => {
      await world.db.updateTable("items").set({ payment_retries: 1 }).where("id", "=", itemId).execute();
      const orderId = await world.reserve(itemId, { card: await token("pm_card_chargeDeclined") });
      await world.settle(orderId);
      await anotherCard(orderId, await token());
      await world.simulator.script([{ method: "POST", suffix: "/confirm", fault, times: 1 }]);
      await settleFor(orderId, 9 * minuteMs);
      expect((await world.order(orderId)).status).toBe("confirmed");
      expect(await kept(orderId)).toEqual([1_999]);
    },
  );

  test("of a payment that lags behind in every list, made under a key that is exhausted, is charged once in the end", async () => {
    await world.simulator.configure({ listLagMs: 60 * minuteMs });
    await world.simulator.script([{ ...create, fault: "error_after", times: 1 }]);
    const orderId = await world.reserve(itemId, { card: await token() });
    await settleFor(orderId, 5 * minuteMs);
    // The token is used, so it cannot be tried again: its shopper is asked, and may pay meanwhile.
    expect(await world.order(orderId)).toMatchObject({ status: "reserved", decline_code: "stale_token" });
    await anotherCard(orderId, await token());
    await settleFor(orderId, 24 * 60 * minuteMs);
    expect((await world.order(orderId)).status).toBe("confirmed");
    expect(await kept(orderId)).toEqual([1_999]);
  });

  test("many in a row that cannot be tried are an alarm", async () => {
    const { watchUnknownCards } = await import("../src/payment/unknown-cards.ts");
    const alarms: string[] = [];
    const watch = watchUnknownCards((name) => void alarms.push(name));
    const untried = {
      missing: false,
      kind: "untried",
      paymentIntentId: null,
      madeByAttempt: null,
      amountMinor: null,
      currency: null,
    } as const;
    for (let i = 0; i < 9; i++) watch(untried);
    expect(alarms).toEqual([]);
    watch(untried);
    expect(alarms).toEqual(["cards_unknown"]);
  });
});
