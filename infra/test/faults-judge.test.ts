import { describe, expect, test } from "vitest";
import type { Evidence, OrderRow } from "../proof/faults/evidence.ts";
import { judge } from "../proof/faults/judge.ts";
import { recoveryOf } from "../proof/faults/recovery.ts";
import type { Tale } from "../proof/faults/shopper.ts";
import type { LedgerEntry } from "../stripe-simulator/provider.ts";

const price = 1_999;

function tale(n: number, more: Partial<Tale> = {}): Tale {
  return {
    shopperId: `shopper-${n}`,
    itemId: "item",
    quantity: 1,
    keyed: true,
    paymentMethod: "pm_card_visa",
    sentMs: 1_000 * n,
    posts: 1,
    unsure: false,
    askedMs: 1_000 * n,
    acceptedMs: 1_000 * n + 10,
    orderId: `order-${n}`,
    cancelledAtOnce: false,
    otherOrderIds: [],
    refusal: null,
    decidedMs: 1_000 * n + 50,
    settledMs: 1_000 * n + 100,
    told: "confirmed",
    denied: 0,
    ...more,
  };
}

function row(n: number, more: Partial<OrderRow> = {}): OrderRow {
  return {
    id: `order-${n}`,
    shopperId: `shopper-${n}`,
    itemId: "item",
    quantity: 1,
    amountMinor: price,
    status: "confirmed",
    reason: null,
    firstEvent: n,
    leftLine: false,
    paymentWasUnknown: false,
    ...more,
  };
}

function payment(n: number, more: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    id: `pi-${n}`,
    orderId: `order-${n}`,
    itemId: "item",
    amount: price,
    amountReceived: price,
    amountRefunded: 0,
    currency: "eur",
    status: "succeeded",
    disputed: false,
    refunds: [],
    created: 1_700_000_000,
    ...more,
  };
}

/** Three shoppers, one after the other, each with what they paid for; a test spoils one thing. */
function evidence(more: Partial<Evidence> = {}): Evidence {
  return {
    tales: [tale(1), tale(2), tale(3)],
    rows: [row(1), row(2), row(3)],
    books: [{ itemId: "item", stocked: 10, inventory: 7, reserved: 0, confirmed: 3, balanced: true }],
    payments: [payment(1), payment(2), payment(3)],
    queues: { "{lane-0}": { left: 0, failed: 0 } },
    statuses: new Map([
      [202, 3],
      [503, 1],
    ]),
    ...more,
  };
}

const brokenChecks = (spoiled: Partial<Evidence>, redisLostAtMs: number | null = null) =>
  judge(evidence(spoiled), price, redisLostAtMs)
    .findings.filter(({ ok }) => !ok)
    .map(({ check }) => check);

describe("the judge of the fault suite", () => {
  test("finds nothing where all is well", () => {
    expect(judge(evidence(), price)).toMatchObject({ lost: 0, doubled: 0, oversold: 0 });
    expect(brokenChecks({})).toEqual([]);
  });

  test.each<[string, Partial<Evidence>, string]>([
    [
      "an accepted order without a row",
      { rows: [row(1), row(2)], payments: [payment(1), payment(2)] },
      "every accepted order has one row, in a final state",
    ],
    [
      "an order that is held for ever",
      { rows: [row(1), row(2), row(3, { status: "reserved" })] },
      "every accepted order has one row, in a final state",
    ],
    [
      "a shopper who never heard",
      { tales: [tale(1), tale(2), tale(3, { told: null })] },
      "every shopper with a 202 got a final answer",
    ],
    [
      "a shopper who was told something else",
      { tales: [tale(1), tale(2), tale(3, { told: "cancelled" })] },
      "what a shopper was told last is what Postgres says",
    ],
    [
      "an order that was denied after its 202",
      { tales: [tale(1), tale(2), tale(3, { denied: 1 })] },
      "no accepted order was said not to exist",
    ],
    [
      "a second row under one key",
      {
        rows: [row(1), row(2), row(3), row(4, { shopperId: "shopper-3", status: "cancelled" })],
        tales: [tale(1), tale(2), tale(3, { unsure: true })],
      },
      "no row that nobody asked for, and one per Idempotency-Key",
    ],
    [
      "a confirmed order that nobody paid",
      { payments: [payment(1), payment(2)] },
      "each confirmed order has one payment of its amount, no other has any",
    ],
    [
      "an order that was paid twice",
      { payments: [payment(1), payment(2), payment(3), payment(3, { id: "pi-4" })] },
      "each confirmed order has one payment of its amount, no other has any",
    ],
    [
      "a wrong amount",
      { payments: [payment(1), payment(2), payment(3, { amountReceived: 1 })] },
      "each confirmed order has one payment of its amount, no other has any",
    ],
    [
      "money kept for a cancelled order",
      {
        rows: [row(1), row(2), row(3, { status: "cancelled" })],
        tales: [tale(1), tale(2), tale(3, { told: "cancelled" })],
      },
      "each confirmed order has one payment of its amount, no other has any",
    ],
    [
      "an order with a good card that was cancelled while the provider was at fault",
      {
        rows: [row(1), row(2), row(3, { status: "cancelled", reason: "payment_failed" })],
        tales: [tale(1), tale(2), tale(3, { told: "cancelled" })],
        payments: [payment(1), payment(2)],
      },
      "nobody with a good card lost their units, unless they cancelled",
    ],
    [
      "books that are off",
      { books: [{ itemId: "item", stocked: 10, inventory: 8, reserved: 0, confirmed: 3, balanced: false }] },
      "the books balance",
    ],
    [
      "more units out than there were",
      { books: [{ itemId: "item", stocked: 2, inventory: 0, reserved: 0, confirmed: 2, balanced: true }] },
      "no more units out than there were",
    ],
    [
      "an order that was passed by",
      { rows: [row(1, { firstEvent: 9 }), row(2), row(3)] },
      "an item's orders were decided in their order of arrival",
    ],
    ["a job that is stuck", { queues: { "{lane-0}": { left: 1, failed: 0 } } }, "nothing is left in a queue"],
    ["a 500", { statuses: new Map([[500, 1]]) }, "no answer but the documented ones"],
  ])("finds %s", (_title, spoiled, check) => {
    expect(brokenChecks(spoiled)).toContain(check);
  });

  test.each([
    ["its shopper cancelled", "pm_card_visa", "by_shopper"],
    ["its card was declined", "pm_card_chargeDeclined", "payment_failed"],
  ])("lets an order be cancelled where %s", (_title, paymentMethod, reason) => {
    const rows = [row(1), row(2), row(3, { status: "cancelled", reason })];
    const tales = [tale(1), tale(2), tale(3, { told: "cancelled", paymentMethod })];
    expect(brokenChecks({ rows, tales, payments: [payment(1), payment(2)] })).toEqual([]);
  });

  test("counts what is lost, doubled and oversold", () => {
    expect(judge(evidence({ rows: [row(1)] }), price).lost).toBe(2);
    expect(judge(evidence({ payments: [1, 2, 3].flatMap((n) => [payment(n), payment(n)]) }), price).doubled).toBe(3);
    const books = [{ itemId: "item", stocked: 1, inventory: 0, reserved: 0, confirmed: 1, balanced: true }];
    expect(judge(evidence({ books }), price).oversold).toBe(2);
  });

  test("lets orders be gone with Redis only where they were still in line then", () => {
    const spoiled = { rows: [row(1), row(2)], payments: [payment(1), payment(2)] };
    const inLine = tale(3, { told: null, decidedMs: null, settledMs: null, denied: 1 });
    expect(brokenChecks({ ...spoiled, tales: [tale(1), tale(2), inLine] }, 4_000)).toEqual([]);
    expect(brokenChecks({ ...spoiled, tales: [tale(1), tale(2), inLine] }, 2_000)).not.toEqual([]);
    expect(brokenChecks({ ...spoiled, tales: [tale(1), tale(2), tale(3)] }, 4_000)).not.toEqual([]);
  });

  test("lets an order be cancelled that Redis lost in line, and only then", () => {
    const rows = (leftLine: boolean) => [
      row(1),
      row(2),
      row(3, { status: "cancelled", reason: "hold_expired", leftLine }),
    ];
    const tales = [tale(1), tale(2), tale(3, { told: "cancelled" })];
    const payments = [payment(1), payment(2)];
    expect(brokenChecks({ rows: rows(true), tales, payments }, 3_020)).toEqual([]);
    expect(brokenChecks({ rows: rows(true), tales, payments }, 2_000)).not.toEqual([]);
    expect(brokenChecks({ rows: rows(true), tales, payments })).not.toEqual([]);
    expect(brokenChecks({ rows: rows(false), tales, payments }, 3_020)).not.toEqual([]);
    // Told so by their 202: nothing was promised, whenever they asked.
    const atOnce = [tale(1), tale(2), tale(3, { told: "cancelled", cancelledAtOnce: true })];
    expect(brokenChecks({ rows: rows(true), tales: atOnce, payments }, 2_000)).toEqual([]);
    expect(brokenChecks({ rows: rows(false), tales: atOnce, payments }, 2_000)).not.toEqual([]);
  });

  test("a shopper without a clear answer may have one order, and without a key as many as they sent", () => {
    const unsure = (more: Partial<Tale>) =>
      tale(3, { orderId: null, askedMs: null, acceptedMs: null, told: null, unsure: true, ...more });
    const rows = [row(1), row(2), row(3), row(4, { shopperId: "shopper-3" })];
    const payments = [1, 2, 3, 4].map((n) => payment(n));
    expect(brokenChecks({ tales: [tale(1), tale(2), unsure({})], rows, payments })).not.toEqual([]);
    expect(brokenChecks({ tales: [tale(1), tale(2), unsure({ keyed: false, posts: 2 })], rows, payments })).toEqual([]);
  });

  test("measures recovery from the part's return, and is not content with more than ten seconds", () => {
    const fault = { struckAtMs: 1_005, backAtMs: 2_000 };
    const late = [tale(1, { settledMs: 13_000 }), tale(2), tale(3)];
    const { figures, findings, underWay } = recoveryOf(evidence({ tales: late }), fault, false);
    expect(underWay).toBe(0); // accepted at 1,010
    expect(figures).toMatchObject({ firstOrderMs: 50, underWayMs: 11_000, laterMs: 90, unknownMs: null });
    expect(findings.filter(({ ok }) => !ok)).toHaveLength(1);
    const asked = [row(1, { paymentWasUnknown: true }), row(2), row(3)];
    expect(recoveryOf(evidence({ tales: late, rows: asked }), fault, false).figures.unknownMs).toBe(11_000);
  });
});
