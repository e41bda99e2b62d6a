import { expect, test } from "vitest";
import { purchaseJob, purchaseRequest } from "../../infra/testing/purchases.ts";
import { packPurchaseJob, unpackPurchaseJob } from "../src/purchase-job.ts";

test("a purchase job comes out of the queue as it went in", () => {
  const job = purchaseJob("item_1", [purchaseRequest(), purchaseRequest({ quantity: 3, fingerprint: "abcdefgh" })]);
  expect(unpackPurchaseJob(JSON.parse(JSON.stringify(packPurchaseJob(job))))).toEqual(job);
});

test.each([
  null,
  {},
  { item: "item_1", last: 1, orders: [] },
  { item: "item_1", last: 1, orders: [["id"]] },
  { item: "item_1", last: 1, orders: [["id", "shopper", 0, 1, "eur", "pm_card_visa", 1, null]] },
  { item: "item_1", last: "1", orders: [["id", "shopper", 1, 1, "eur", "pm_card_visa", 1, null]] },
])("what is not a purchase job is refused: %j", (data) => {
  expect(() => unpackPurchaseJob(data)).toThrow(TypeError);
});
