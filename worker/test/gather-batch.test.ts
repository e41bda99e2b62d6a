import {
  maxOrdersPerJob,
  type PackedPurchaseJob,
  type PurchaseRequest,
  packPurchaseJob,
} from "@holdfast/shared/purchase-job.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import type { Job } from "bullmq";
import { expect, test } from "vitest";
import { gatherBatch } from "../src/reserve/gather-batch.ts";

const some = (count: number) => Array.from({ length: count }, () => purchaseRequest());
const job = (itemId: string, requests: readonly PurchaseRequest[], lastPlace = requests.length) =>
  ({ data: packPurchaseJob(purchaseJob(itemId, requests, lastPlace)) }) as Job<PackedPurchaseJob>;
const behind = (...waiting: Job<PackedPurchaseJob>[]) =>
  ({ getWaiting: async (start = 0, end = -1) => waiting.slice(start, end + 1) }) as LaneQueue;
const idsOf = (requests: readonly PurchaseRequest[]) => requests.map(({ orderId }) => orderId);

test("takes along the item's jobs in their order of arrival, and leaves other items' where they are", async () => {
  const [head, second, third] = [some(2), some(1), some(3)];
  const waiting = [job("item", second, 3), job("other", some(5), 5), job("item", third, 6)];
  const batch = await gatherBatch(behind(...waiting), purchaseJob("item", head));
  expect(idsOf(batch.job.requests)).toEqual(idsOf([...head, ...second, ...third]));
  expect(batch.job.lastPlace).toBe(6);
  expect(batch.along).toEqual([waiting[0], waiting[2]]);
});

test("a repeat's job that waits behind later ones does not move the line back", async () => {
  const batch = await gatherBatch(
    behind(job("item", some(1), 9), job("item", some(1), 2)),
    purchaseJob("item", some(1), 8),
  );
  expect(batch.job.lastPlace).toBe(9);
});

test("looks at about as many jobs as fill the batch, since each that is read costs something", async () => {
  const seen: number[] = [];
  const lane = {
    getWaiting: async (_start: number, end: number) => seen.splice(seen.length, 0, end + 1),
  } as unknown as LaneQueue;
  for (const size of [1, 7, 8, 100, 250, 400, 499]) await gatherBatch(lane, purchaseJob("item", some(size)));
  expect(seen).toEqual([64, 64, 62, 4, 1, 1, 1]);
});

test("stops before the batch grows too large, so that nobody is passed by a smaller job behind them", async () => {
  const waiting = [job("item", some(300)), job("item", some(150)), job("item", some(1))];
  const batch = await gatherBatch(behind(...waiting), purchaseJob("item", some(100)));
  expect(batch.along).toEqual([waiting[0]]);
  const full = await gatherBatch(behind(...waiting), purchaseJob("item", some(maxOrdersPerJob)));
  expect(full.along).toEqual([]);
});

test.each<[string, object | null]>([
  ["that cannot be read", { item: "item", last: 1, orders: "what is this" }],
  ["some of whose orders were refused before", { ...job("item", some(1)).data, refused: ["an order"] }],
])("stops before a job %s: it has its own turn, and nothing behind it comes earlier", async (_what, data) => {
  const waiting = [job("item", some(1)), { data } as Job<PackedPurchaseJob>, job("item", some(1))];
  const batch = await gatherBatch(behind(...waiting), purchaseJob("item", some(1)));
  expect(batch.along).toEqual([waiting[0]]);
});

test("passes over jobs without any data", async () => {
  const waiting = [{ data: null } as unknown as Job<PackedPurchaseJob>, job("item", some(1))];
  expect((await gatherBatch(behind(...waiting), purchaseJob("item", some(1)))).along).toEqual([waiting[1]]);
});
