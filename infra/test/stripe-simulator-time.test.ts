import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import type Stripe from "stripe";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const hourMs = 3_600_000;

describe("time at the payment simulator, to the official SDK", () => {
  let simulator: TestSimulator;
  let stripe: Stripe;
  beforeEach(async () => {
    simulator = await startTestSimulator();
    stripe = simulator.stripe;
  });
  afterEach(() => simulator.close());

  const charge = (orderId: string) =>
    stripe.paymentIntents.create(
      { amount: 1_999, currency: "eur", payment_method: "pm_card_visa", confirm: true, metadata: { orderId } },
      { idempotencyKey: orderId },
    );
  const listed = async () => (await stripe.paymentIntents.list()).data.map(({ metadata }) => metadata.orderId);
  const search = (query: string, more = {}) => stripe.paymentIntents.search({ query, ...more });
  const found = async (query: string) => (await search(query)).data.map(({ metadata }) => metadata.orderId);

  test("its clock can be moved ahead, and what happens then is dated then", async () => {
    const before = await charge("before");
    await simulator.advanceClock(24 * hourMs);
    const after = await charge("after");
    expect(after.created - before.created).toBeGreaterThanOrEqual(24 * 3_600);
    expect((await stripe.refunds.create({ payment_intent: after.id })).created).toBeGreaterThanOrEqual(after.created);
    expect((await simulator.events()).at(-1)?.created).toBeGreaterThanOrEqual(after.created);
    expect((await stripe.paymentIntents.list({ created: { gt: before.created } })).data).toMatchObject([
      { id: after.id },
    ]);
    await expect(simulator.advanceClock(-1)).rejects.toThrow("advanceMs");
  });

  test("a key is remembered for a day: after that the same request is a second payment", async () => {
    const first = await charge("old");
    await simulator.advanceClock(23 * hourMs);
    expect((await charge("old")).id).toBe(first.id);
    await simulator.advanceClock(hourMs);
    expect((await charge("old")).id).not.toBe(first.id);
    expect((await simulator.ledger()).filter(({ orderId }) => orderId === "old")).toHaveLength(2);
    await simulator.configure({ keyLifetimeMs: 1_000 });
    const short = await charge("short");
    await simulator.advanceClock(1_000);
    expect((await charge("short")).id).not.toBe(short.id);
  });

  test("a list that lags lacks the youngest payments, which can be retrieved all the same", async () => {
    await charge("seen");
    await simulator.advanceClock(10_000);
    await simulator.configure({ listLagMs: 5_000 });
    const young = await charge("young");
    expect(await listed()).toEqual(["seen"]);
    expect(await found("metadata['orderId']:'young'")).toEqual([]);
    expect(await stripe.paymentIntents.retrieve(young.id)).toMatchObject({ status: "succeeded" });
    await simulator.advanceClock(5_000);
    expect(await listed()).toEqual(["young", "seen"]);
    expect(await found("metadata['orderId']:'young'")).toEqual(["young"]);
  });

  test("the search may lag longer than the list", async () => {
    await simulator.configure({ searchLagMs: 60_000 });
    await charge("young");
    expect(await listed()).toEqual(["young"]);
    expect(await found("metadata['orderId']:'young'")).toEqual([]);
    await simulator.advanceClock(60_000);
    expect(await found("metadata['orderId']:'young'")).toEqual(["young"]);
  });

  test("a search finds by metadata, status and time, all of its clauses, page by page", async () => {
    for (const orderId of ["a", "b", "c"]) await charge(orderId);
    const unpaid = await stripe.paymentIntents.create({ amount: 500, currency: "usd", metadata: { orderId: "d" } });
    expect(await found(`metadata["orderId"]:"b"`)).toEqual(["b"]);
    expect(await found("status:'succeeded' AND -metadata['orderId']:'b'")).toEqual(["c", "a"]);
    expect(await found(`currency:'usd' created>=${unpaid.created} created<${unpaid.created + 60}`)).toEqual(["d"]);
    expect(await found("metadata['orderId']:'none'")).toEqual([]);
    const first = await search("status:'succeeded'", { limit: 2, expand: ["data.latest_charge"] });
    expect(first).toMatchObject({ object: "search_result", has_more: true, next_page: expect.any(String) });
    expect(first.data[0]?.latest_charge).toMatchObject({ object: "charge", paid: true });
    const second = await search("status:'succeeded'", { limit: 2, page: first.next_page });
    expect(second).toMatchObject({ has_more: false, next_page: null, data: [{ metadata: { orderId: "a" } }] });
    const all: string[] = [];
    for await (const { metadata } of search("status:'succeeded'", { limit: 1 })) all.push(metadata.orderId ?? "");
    expect(all).toEqual(["c", "b", "a"]);
  });

  test.each(["", "what is this", "description:'x'", "metadata['orderId']", "status:'succeeded' OR status:'canceled'"])(
    "a search for %j is refused",
    async (query) => {
      await expect(search(query)).rejects.toMatchObject({ statusCode: 400, param: "query" });
    },
  );

  test("a simulator that starts again knows its payments, refunds, disputes and keys, and what time it is", async () => {
    const directory = await mkdtemp(join(tmpdir(), "stripe-simulator-"));
    const file = join(directory, "payments.json");
    const use = async <T>(act: (its: TestSimulator) => Promise<T>) => {
      const its = await startTestSimulator({ file });
      try {
        return await act(its);
      } finally {
        await its.close();
      }
    };
    const pay = (its: TestSimulator, key: string) =>
      its.stripe.paymentIntents.create(
        { amount: 1_999, currency: "eur", payment_method: "pm_card_visa", confirm: true },
        { idempotencyKey: key },
      );
    const ledger = await use(async (its) => {
      await its.advanceClock(100 * hourMs);
      const [refunded, disputed] = [await pay(its, "refunded"), await pay(its, "disputed")];
      await its.stripe.refunds.create({ payment_intent: refunded.id, amount: 300 });
      const { id } = await its.refundOutside({ payment_intent: refunded.id, amount: 400, status: "pending" });
      await its.settleRefund(id, "failed");
      await its.openDispute(disputed.id);
      return its.ledger();
    });
    await use(async (its) => {
      expect(await its.ledger()).toEqual(ledger);
      await its.configure({ listLagMs: 60_000 });
      expect((await its.stripe.paymentIntents.list()).data).toEqual([]);
      expect((await pay(its, "refunded")).id).toBe(ledger[0]?.id);
      await its.advanceClock(24 * hourMs);
      expect((await pay(its, "refunded")).id).not.toBe(ledger[0]?.id);
      await expect(its.stripe.refunds.create({ payment_intent: ledger[1]?.id ?? "" })).rejects.toMatchObject({
        code: "charge_disputed",
      });
    });
    await rm(directory, { recursive: true });
  });
});
