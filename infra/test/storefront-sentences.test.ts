import { readFile } from "node:fs/promises";
import { problems } from "@holdfast/api/http/problems.ts";
import type { Item, Order } from "@holdfast/client";
import { cancelReasons, orderStatuses, paymentStatuses, rejectReasons } from "@holdfast/shared/order.ts";
import { untriedCode } from "@holdfast/shared/show-order.ts";
import { describe, expect, test } from "vitest";
import { cardOf } from "../stripe-simulator/test-cards.ts";

type Offer = Pick<Item, "name" | "price" | "currency" | "status">;
interface Sentences {
  readonly refusalSentence: (
    error: { code: string | null; status: number; detail?: string | null },
    shopName: string,
    action?: "purchase" | "card" | "cancel" | "reading",
  ) => string;
  readonly offerChange: (before: Offer, now: Offer | undefined) => string | null;
  readonly declineSentence: (code: string | null) => string;
  readonly orderSentence: (order: Order) => string;
  readonly orderDetail: (order: Order, nowMs: number, seenAtMs?: number) => string;
  readonly receiptLine: (order: Order, name: string) => string;
  readonly buyLabel: (
    item: Pick<Item, "status" | "opensAt">,
    nowMs: number,
    state: { buying: boolean; unanswered: boolean },
  ) => { text: string; ready: boolean };
  readonly orderNumber: (id: string) => string;
  readonly clock: (ms: number) => string;
  readonly money: (amount: number, currency: string) => string;
}

// Written for browsers, in plain JavaScript; loaded here as a browser does.
const web = new URL("../../api/web/", import.meta.url);
const {
  refusalSentence,
  declineSentence,
  orderSentence,
  orderDetail,
  receiptLine,
  buyLabel,
  orderNumber,
  clock,
  money,
  offerChange,
} = (await import(new URL("sentences.js", web).href)) as Sentences;
const standIn = new URL("../stripe-simulator/stand-in/bank-dialog.js", import.meta.url);
const bankDialog = (await import(standIn.href)) as Pick<Sentences, "money">;

const nowMs = Date.parse("2026-11-27T10:00:00Z");
const order = (change: Omit<Partial<Order>, "payment"> & { payment?: Partial<Order["payment"]> } = {}): Order => ({
  id: "0193f5a0-1111-7222-8333-44443f2a91c0",
  itemId: "poster",
  quantity: 2,
  amount: 3_800,
  currency: "eur",
  status: "queued",
  reason: null,
  message: "Waiting in line",
  position: null,
  estimatedSeconds: null,
  metadata: null,
  placedAt: "2026-11-27T09:59:00Z",
  reservedAt: null,
  settledAt: null,
  holdExpiresAt: null,
  ...change,
  payment: { status: null, clientSecret: null, declineCode: null, ...change.payment },
});

describe("the storefront", () => {
  test("has a sentence of its own for every refusal that a shopper can meet", () => {
    const forOperations = new Set([
      "job_not_found",
      "lane_not_found",
      "job_not_dead",
      "insufficient_inventory",
      "item_exists",
      "item_kept",
      "shopper_has_open_orders",
      "order_not_refundable",
    ]);
    const codes = Object.keys(problems).filter((code) => !forOperations.has(code));
    const detail = "Words for programmers";
    const unsaid = codes.filter((code) => refusalSentence({ code, status: 400, detail }, "Records") === detail);
    expect(unsaid).toEqual([]);
  });

  test("says for an answer that never came that it may be asked for again, and is paid once", () => {
    for (const status of [0, 202, 502]) {
      expect(refusalSentence({ code: null, status }, "Records")).toMatch(/does not answer.*paid once/);
    }
  });

  test.each([
    [null, 0],
    ["unavailable", 503],
    ["rate_limited", 429],
    ["internal", 500],
    ["request_timeout", 408],
  ])(
    "says of an interruption (%s) what is true of what was asked for, and speaks of a purchase after a purchase alone",
    (code, status) => {
      const sentence = (action: "purchase" | "card" | "cancel" | "reading") =>
        refusalSentence({ code, status }, "Records", action);
      expect(sentence("purchase")).toMatch(/the same purchase, and paid once\.$/);
      expect(sentence("card")).toMatch(/the order is paid once\.$/);
      expect(sentence("cancel")).toMatch(/may still stand\. Press Cancel again\.$/);
      expect(sentence("reading")).toMatch(/Your orders are safe/);
      for (const action of ["card", "cancel", "reading"] as const) expect(sentence(action)).not.toMatch(/purchase/);
    },
  );

  test("does not blame one for the requests of everybody at their address", () => {
    expect(refusalSentence({ code: "rate_limited", status: 429 }, "Records")).toMatch(/your network/);
  });

  test("says of a session that ended that the order goes on, and whom to ask", () => {
    const sentence = refusalSentence({ code: "session_ended", status: 410 }, "Records", "reading");
    expect(sentence).toMatch(/goes on; ask Records/);
  });

  test("never says of an order that it does not find that nothing more happens with it", () => {
    expect(refusalSentence({ code: "order_not_found", status: 404 }, "Records", "reading")).not.toMatch(/nothing/i);
  });

  test("says why nothing is bought where an item is not any more what its button said", () => {
    const poster: Offer = { name: "Poster", price: 1_900, currency: "eur", status: "available" };
    expect(offerChange(poster, { ...poster })).toBeNull();
    expect(offerChange(poster, { ...poster, price: 9_900 })).toMatch(/^Poster costs .*99\.00 now\. Nothing was bought/);
    expect(offerChange(poster, { ...poster, currency: "usd" })).toMatch(/Nothing was bought/);
    expect(offerChange(poster, { ...poster, status: "out_of_stock" })).toBe(
      "Poster: Out of stock. Nothing was bought.",
    );
    expect(offerChange(poster, undefined)).toBe("Poster: Not on sale. Nothing was bought.");
  });

  test.each([
    ["storefront", money],
    ["simulated bank", bankDialog.money],
  ])("the %s writes an amount as Stripe counts it, whatever decimals people use", (_name, write) => {
    // https://docs.stripe.com/currencies#minor-units
    const none = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" ");
    const three = "bhd jod kwd omr tnd".split(" ");
    const hundredths = "huf idr cop isk pkr ugx twd eur usd crc".split(" ");
    const number = (currency: string) => /\d[\d,.]*/.exec(write(190_000, currency))?.[0];
    for (const currency of none) expect({ currency, shown: number(currency) }).toEqual({ currency, shown: "190,000" });
    for (const currency of three) expect({ currency, shown: number(currency) }).toEqual({ currency, shown: "190.000" });
    for (const currency of hundredths) {
      expect({ currency, shown: number(currency) }).toEqual({ currency, shown: "1,900.00" });
    }
  });

  test("says where to sign in again", () => {
    expect(refusalSentence({ code: "unauthenticated", status: 401 }, "Records")).toBe("Sign in again at Records.");
  });

  test("has a sentence for every decline of the test cards, and leaves it to the bank why a card is refused as lost", async () => {
    const source = await readFile(new URL("../stripe-simulator/test-cards.ts", import.meta.url), "utf8");
    const declines = [...source.matchAll(/pm_card_\w+/g)]
      .map(([method]) => cardOf(method)?.behaviour)
      .filter((behaviour) => behaviour?.kind === "declines")
      .map(({ declineCode }) => declineCode);
    expect(declines.length).toBeGreaterThan(5);
    const general = new Set(["generic_decline", "lost_card", "stolen_card"]);
    for (const code of declines) {
      const sentence = declineSentence(code);
      expect({ code, general: sentence === "Your bank refused this card." }).toEqual({
        code,
        general: general.has(code),
      });
    }
  });

  test.each([untriedCode, "resource_missing"])(
    "says of a token that has grown old, %s, that the card details have, and not that a bank refused",
    (code) => {
      expect(declineSentence(code)).toBe("The card details have grown old.");
    },
  );

  test("has a sentence for every state an order can be in, and says of each end without a sale that nothing was charged", () => {
    const seen = new Set<string>();
    for (const status of orderStatuses) {
      for (const reason of [null, ...rejectReasons, ...cancelReasons]) {
        for (const payment of [null, ...paymentStatuses]) {
          const sentence = orderSentence(order({ status, reason, payment: { status: payment } }));
          expect(sentence).toMatch(/^[A-Z][^_]*\.$/);
          seen.add(sentence);
          const unsold = status === "out_of_stock" || status === "rejected" || status === "cancelled";
          if (unsold && payment !== "refunded") expect(sentence).toMatch(/nothing was charged/i);
        }
      }
    }
    expect(seen.size).toBeGreaterThan(15);
  });

  test("counts a hold down: what is left of it is in the sentence, and never below zero", () => {
    const declined = order({
      status: "reserved",
      holdExpiresAt: "2026-11-27T10:09:41Z",
      payment: { status: "declined", declineCode: "insufficient_funds" },
    });
    expect(orderDetail(declined, nowMs)).toBe("The card does not have enough money. Pay with another card within 9:41");
    const asked = order({ ...declined, payment: { status: "requires_action" } });
    expect(orderDetail(asked, nowMs + 3_600_000)).toBe("Confirm within 0:00");
  });

  test("says the place in line with the estimate, which runs down by itself", () => {
    const queued = order({ position: 12, estimatedSeconds: 5 });
    expect(orderDetail(queued, nowMs, nowMs)).toBe("Place 12, about 5 s");
    expect(orderDetail(queued, nowMs + 2_000, nowMs)).toBe("Place 12, about 3 s");
    expect(orderDetail(queued, nowMs + 60_000, nowMs)).toBe("Place 12, about 1 s");
    expect(orderDetail(order({ position: 9_000, estimatedSeconds: 300 }), nowMs)).toBe("Place 9000, about 5 min");
    expect(orderDetail(order({ position: 1 }), nowMs)).toBe("Place 1");
  });

  test.each<[Item["status"], string | null, string, boolean]>([
    ["available", null, "Buy", true],
    ["out_of_stock", null, "Out of stock", false],
    ["ended", null, "Sale is over", false],
    ["scheduled", "2026-11-27T10:01:05Z", "Opens in 1:05", false],
    ["scheduled", "2026-11-27T12:00:00Z", "Opens in 2:00:00", false],
    ["scheduled", "2026-11-27T10:00:00Z", "Opening …", false],
  ])("labels the button of an item that is %s (opens %s): %s", (status, opensAt, text, ready) => {
    expect(buyLabel({ status, opensAt }, nowMs, { buying: false, unanswered: false })).toEqual({ text, ready });
  });

  test("lets a purchase that was never answered be asked for again, whatever became of the item", () => {
    const gone = { status: "ended", opensAt: null } as const;
    expect(buyLabel(gone, nowMs, { buying: false, unanswered: true })).toEqual({
      text: "Check my purchase",
      ready: true,
    });
    expect(buyLabel(gone, nowMs, { buying: true, unanswered: true }).ready).toBe(false);
  });

  test("writes a receipt with what, how much, when and which order", () => {
    const line = receiptLine(order({ status: "confirmed", settledAt: "2026-11-27T10:00:00Z" }), "Poster");
    expect(line).toContain("2 × Poster");
    expect(line).toContain(money(3_800, "eur"));
    expect(line).toContain("2026");
    expect(line).toContain("order 3F2A-91C0");
  });

  test("shortens ids, times and amounts", () => {
    expect(orderNumber("0193f5a0-1111-7222-8333-44443f2a91c0")).toBe("3F2A-91C0");
    expect([clock(-5), clock(999), clock(581_000), clock(3_661_000)]).toEqual(["0:00", "0:01", "9:41", "1:01:01"]);
    expect(money(1_900, "jpy")).toContain("1,900");
    expect(money(1_900, "eur")).toContain("19.00");
  });
});
