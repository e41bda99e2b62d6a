import type { PurchaseJob } from "@holdfast/shared/purchase-job.ts";
import { purchaseJob, purchaseRequest } from "@holdfast/testing/purchases.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bisectOrders, ItemIsLocked } from "../src/reserve/bisect-orders.ts";

const refused = () => Object.assign(new Error("refused"), { code: "23514" });

describe("bisecting a job", () => {
  test("finds exactly the orders to blame, decides every other one once and in order, and moves the line no further than that", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }), async (isBad) => {
        const requests = isBad.map(() => purchaseRequest());
        const bad = new Set(requests.filter((_, i) => isBad[i]));
        const decided: string[] = [];
        const decide = async (part: PurchaseJob) => {
          if (part.requests.some((request) => bad.has(request))) throw refused();
          decided.push(...part.requests.map((request) => request.orderId));
          const last = part.requests.at(-1);
          expect(part.lastPlace).toBe(
            1_000 - (requests.length - 1 - requests.indexOf(last as (typeof requests)[number])),
          );
          return "decided" as const;
        };
        const undecidable = await bisectOrders(purchaseJob("item", requests, 1_000), decide);
        expect(undecidable.map(({ request }) => request)).toEqual([...bad]);
        expect(decided).toEqual(requests.filter((request) => !bad.has(request)).map((request) => request.orderId));
      }),
    );
  });

  test("one bad order among 500 costs at most twenty tries", async () => {
    const requests = Array.from({ length: 500 }, () => purchaseRequest());
    let tries = 0;
    await bisectOrders(purchaseJob("item", requests), async (part) => {
      tries++;
      if (part.requests.includes(requests[321] as (typeof requests)[number])) throw refused();
      return "decided";
    });
    expect(tries).toBeLessThanOrEqual(20);
  });

  test("an outage or a lock elsewhere ends it: nothing is blamed on an order", async () => {
    const job = purchaseJob("item", [purchaseRequest(), purchaseRequest()]);
    const away = Object.assign(new Error("away"), { code: "ECONNREFUSED" });
    await expect(bisectOrders(job, () => Promise.reject(away))).rejects.toBe(away);
    await expect(bisectOrders(job, async () => "item_locked")).rejects.toBeInstanceOf(ItemIsLocked);
  });
});
