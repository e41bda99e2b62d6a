import { redisKeys } from "@holdfast/shared/redis.ts";
import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { acceptanceMarks, type MarksParts, ReplicasUnknown } from "../src/orders/acceptance-marks.ts";

describe("with ACCEPT_REPLICAS, on a Redis without any", () => {
  let world: World;
  let api: TestApi | undefined;
  beforeEach(async () => {
    world = await createWorld();
  });
  afterEach(async () => {
    await api?.close();
    api = undefined;
    await world.close();
  });

  test("a server starts, however many lanes there are, and says that none answers", async () => {
    const marks = acceptanceMarks({ ...world, replicas: 1 });
    const lanes = Array.from({ length: 16 }, (_, i) => `{lane-${i}}`);
    const began = performance.now();
    expect(await marks.begin(lanes)).toBe(0);
    expect(performance.now() - began).toBeLessThan(2_000); // one wait for all
  });

  test("a purchase is 503 with the order's address, where it may be, and the watch goes on meanwhile", async () => {
    await addItem(world.db, "kettle", 5);
    api = await createTestApi(world, { ACCEPT_REPLICAS: "1" });
    const authorization = await shopperAuthorization("ann");
    const buy = (key: string) =>
      (api as TestApi).app.inject({
        method: "POST",
        url: "/purchase/kettle",
        headers: { authorization, "idempotency-key": key },
        payload: { paymentMethod: "pm_card_visa" },
      });
    await eventually("it is on sale", async () => (await buy("first")).statusCode !== 404);
    const answer = await buy("second");
    expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([503, "unavailable"]);
    const order = await api.app.inject({ url: String(answer.headers.location), headers: { authorization } });
    expect([order.statusCode, order.json()]).toEqual([200, expect.objectContaining({ status: "queued" })]);
  });
});

describe("a master that is replaced while both connections find the new one in their own time", () => {
  /** Which master each connection leads to; a WAIT ends when the test says so. */
  const connections = () => {
    const leadsTo = { marks: "a", jobs: "a" };
    const counts = new Map<string, number>();
    let ends = Promise.resolve();
    const info = (who: "marks" | "jobs") => `role:master\r\nmaster_replid:${leadsTo[who]}\r\n`;
    const client = (who: "marks" | "jobs") => ({
      isCluster: false,
      pipeline() {
        const answers: (() => unknown)[] = [];
        const chain = {
          eval(_script: string, _keys: number, key: string, count: number) {
            answers.push(() => {
              const at = `${leadsTo[who]} ${key}`;
              const before = counts.get(at) ?? 0;
              counts.set(at, Math.max(before, count));
              return before;
            });
            return chain;
          },
          call() {
            answers.push(() => 1);
            return chain;
          },
          exists() {
            answers.push(() => 1);
            return chain;
          },
          info() {
            answers.push(() => info(who));
            return chain;
          },
          async exec() {
            const said = answers.map((answer) => [null, answer()]);
            if (who === "marks") await ends;
            return said;
          },
        };
        return chain;
      },
    });
    const parts = { redis: client("marks"), jobs: client("jobs"), keys: redisKeys("test:"), replicas: 1 };
    const hold = () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      ends = promise;
      return resolve;
    };
    return { parts: parts as unknown as MarksParts, leadsTo, hold };
  };
  const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

  test("a job that the old one took while the write before it was waited for is not believed", async () => {
    const { parts, leadsTo, hold } = connections();
    const marks = acceptanceMarks(parts);
    await marks.begin(["lane"]);
    await marks.note("lane");
    leadsTo.marks = "b"; // the jobs' connection is still with a
    const release = hold();
    const first = marks.note("lane");
    await turn();
    const second = marks.note("lane"); // whose job a has taken
    leadsTo.jobs = "b";
    release();
    await expect(first).rejects.toThrow(ReplicasUnknown);
    await expect(second).rejects.toThrow("Redis failed over");
    await marks.note("lane"); // by now both are with b, and so is its job
  });

  test("nor is one that the old one took just before its connection left it", async () => {
    const { parts, leadsTo } = connections();
    const marks = acceptanceMarks(parts);
    await marks.begin(["lane"]);
    leadsTo.marks = "b";
    await expect(marks.note("lane")).rejects.toThrow(ReplicasUnknown);
    const last = marks.note("lane"); // its job is with a
    leadsTo.jobs = "b";
    await expect(last).rejects.toThrow("Redis failed over");
    await marks.note("lane");
  });
});
