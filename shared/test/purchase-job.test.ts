import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import { expect, test } from "vitest";
import { packPurchaseJob, unpackPurchaseJob } from "../src/purchase-job.ts";

test("a purchase job comes out of the queue as it went in", () => {
  const job = purchaseJob("item_1", [
    purchaseRequest(),
    purchaseRequest({ quantity: 3, fingerprint: "abcdefgh" }),
    purchaseRequest({ card: "ctoken_1", metadata: { voucher: "A|B" } }),
    purchaseRequest({ fingerprint: "abcdefgh", metadata: {} }),
  ]);
  expect(unpackPurchaseJob(JSON.parse(JSON.stringify(packPurchaseJob(job))))).toEqual(job);
});

const terms = [[1, 1_999, "eur", "pm_card_visa"]];
const order = ["AY8AAAAAcACAAAAAAAAAAA", "shopper", 0, 0];
test("a job of many orders on the same terms names these once", () => {
  const requests = Array.from({ length: 500 }, () => purchaseRequest());
  const packed = packPurchaseJob(purchaseJob("item_1", requests));
  expect(packed.terms).toEqual(terms);
  expect(unpackPurchaseJob(JSON.parse(JSON.stringify(packed))).requests).toEqual(requests);
});

test.each([
  null,
  {},
  { item: "item_1", last: 1, since: 0, terms, orders: [] },
  { item: "item_1", last: 1, since: 0, terms: [], orders: [order] },
  { item: "item_1", last: 1, since: 0, terms, orders: [["id"]] },
  { item: "item_1", last: 1, since: 0, terms: [[0, 1_999, "eur", "pm_card_visa"]], orders: [order] },
  { item: "item_1", last: 1, since: 0, terms, orders: [["AY8AAAAAcACAAAAAAAAAAA", "shopper", 1, 0]] },
  { item: "item_1", last: "1", since: 0, terms, orders: [order] },
])("what is not a purchase job is refused: %j", (data) => {
  expect(() => unpackPurchaseJob(data)).toThrow(TypeError);
});

test("a job of release 0.2.0 is read; one of a later format is left to a later release", () => {
  const job = {
    item: "item_1",
    last: 7,
    since: 1_764_288_000_000,
    terms: [[1, 1_999, "eur", "pm_card_visa"]],
    orders: [
      ["AY8AAAAAcACAAAAAAAAAAA", "ann", 0, 0],
      ["AY8AAAAAcACAAAAAAAAAAB", "bob", 0, 3, "abcdefgh"],
      ["AY8AAAAAcACAAAAAAAAAAC", "cy", 0, 4, null, { voucher: "X" }],
    ],
  };
  const { requests, ...about } = unpackPurchaseJob(job);
  expect(about).toEqual({ itemId: "item_1", lastPlace: 7 });
  expect(
    requests.map(({ shopperId, placedAtMs, fingerprint, metadata }) => [shopperId, placedAtMs, fingerprint, metadata]),
  ).toEqual([
    ["ann", job.since, null, null],
    ["bob", job.since + 3, "abcdefgh", null],
    ["cy", job.since + 4, null, { voucher: "X" }],
  ]);
  expect(() => unpackPurchaseJob({ format: 2, whatever: [] })).toThrow("Written by a later release");
});
