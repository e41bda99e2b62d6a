import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cancelReasons, type Order, orderStatuses, paymentStatuses } from "../src/order.ts";
import { decodeView, encodeView } from "../src/order-view-text.ts";
import { queuedOrder } from "../src/purchase-job.ts";

const time = fc.option(fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) }));
const order: fc.Arbitrary<Order> = fc.record({
  id: fc.uuid(),
  shopperId: fc.string({ minLength: 1 }),
  itemId: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  quantity: fc.integer({ min: 1, max: 1_000 }),
  amountMinor: fc.integer({ min: 1, max: 99_999_999 }),
  currency: fc.stringMatching(/^[a-z]{3}$/),
  status: fc.constantFrom(...orderStatuses),
  reason: fc.option(fc.constantFrom(...cancelReasons)),
  paymentStatus: fc.option(fc.constantFrom(...paymentStatuses)),
  declineCode: fc.option(fc.constantFrom("generic_decline", "insufficient_funds")),
  placedAtMs: fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) }),
  reservedAtMs: time,
  settledAtMs: time,
  holdExpiresAtMs: time,
  version: fc.nat(),
  place: fc.option(fc.integer({ min: 1 })),
  fingerprint: fc.option(fc.stringMatching(/^[\w-]{8}$/)),
  clientSecret: fc.option(fc.constant("pi_1_secret_2")),
  metadata: fc.option(fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }))),
});

test("a view reads as it was written", () => {
  fc.assert(
    fc.property(order, (o) => {
      expect(decodeView(o.shopperId, o.id, encodeView(o))).toEqual(o);
    }),
  );
});

test("whatever a shop keeps with an order, its view is one line with no more fields than others", () => {
  fc.assert(
    fc.property(order, (o) => {
      const view = encodeView({ ...o, metadata: { "a|b\n": "|\n|" } });
      expect(view).not.toContain("\n");
      expect(view.split("|")).toHaveLength(17);
    }),
  );
});

test("a queued order's view fits the 64 bytes up to which Redis stores a small hash compactly", () => {
  const request = purchaseRequest({
    shopperId: "shopper-1",
    quantity: 10,
    amountMinor: 199_900,
    placedAtMs: Date.UTC(2030, 0, 1),
    fingerprint: "abcdefgh",
  });
  const queued = { ...queuedOrder("item_1234567890", request), place: 99_999_999 };
  expect(encodeView(queued).length).toBeLessThanOrEqual(64);
});

test("a view of release 0.2.0 is read, with what later ones add behind it; one of another format is not taken for it", () => {
  const view =
    '3|reserved|item_1|2|3998|eur|mhz2k0qo|1f|abcdefgh||declined|insufficient_funds|mhz2k1aa||mhz2kf9c||{"a":"b"}';
  const order = {
    id: "00000000-0000-8000-8000-000000000001",
    shopperId: "ann",
    version: 3,
    status: "reserved",
    itemId: "item_1",
    quantity: 2,
    amountMinor: 3_998,
    currency: "eur",
    place: 31,
    fingerprint: "abcdefgh",
    reason: null,
    paymentStatus: "declined",
    declineCode: "insufficient_funds",
    metadata: { a: "b" },
    clientSecret: null,
    settledAtMs: null,
  };
  expect(decodeView("ann", order.id, view)).toMatchObject(order);
  expect(decodeView("ann", order.id, `${view}|something later`)).toMatchObject(order);
  expect(decodeView("ann", order.id, view.replace("3|", "3b|"))).toBeNull();
});
