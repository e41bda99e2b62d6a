import { createTestApi, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

describe("what API servers export", () => {
  let world: World;
  let apis: TestApi[];
  beforeAll(async () => {
    world = await createWorld();
    apis = await Promise.all([1, 2].map(() => createTestApi(world, { SHOPPER_RATE_PER_MINUTE: "3" })));
  });
  afterAll(async () => {
    await Promise.all(apis.map((api) => api.close()));
    await world.close();
  });
  const scrape = async (api: TestApi) => (await api.admin.inject("/metrics")).body.split("\n");
  /** `sum()` over both servers of the series that has this name and these labels. */
  const sum = async (series: string) => {
    const texts = await Promise.all(apis.map(scrape));
    const values = texts.flat().filter((line) => line.startsWith(`${series} `));
    return values.reduce((total, line) => total + Number(line.split(" ").at(-1)), 0);
  };
  const buy = async ({ app }: TestApi, item: string, shopper: string, payload: object = {}) =>
    app.inject({
      method: "POST",
      url: `/purchase/${item}`,
      headers: { authorization: await shopperAuthorization(shopper) },
      payload: { paymentMethod: "pm_card_visa", ...payload },
    });

  test("summed over two servers, every purchase is accepted or refused once, by its code and limit", async () => {
    await addItem(world.db, "item_1", 100);
    await addItem(world.db, "item_none", 0);
    for (const api of apis) {
      for (const shopper of ["a", "b"]) expect((await buy(api, "item_1", shopper)).statusCode).toBe(202);
      expect((await buy(api, "item_none", "c")).json()).toMatchObject({ code: "out_of_stock" });
      expect((await buy(api, "no_such", "c")).json()).toMatchObject({ code: "item_not_found" });
      expect((await buy(api, "item_1", "c", { quantity: 0 })).json()).toMatchObject({ code: "invalid_request" });
    }
    // Three a minute in all, whichever server they come to: the fourth and fifth are too many.
    const answers = await Promise.all([1, 2, 3, 4, 5].map((i) => buy(apis[i % 2] as TestApi, "item_1", "greedy")));
    expect(answers.filter(({ statusCode }) => statusCode === 429)).toHaveLength(2);
    expect(await sum("holdfast_orders_accepted_total")).toBe(4 + 3);
    expect(await sum("holdfast_accept_batch_orders_sum")).toBe(4 + 3);
    for (const code of ["out_of_stock", "item_not_found", "invalid_request", "rate_limited"])
      expect(await sum(`holdfast_purchases_refused_total{code="${code}"}`)).toBe(2);
    expect(await sum('holdfast_http_requests_limited_total{limit="purchases"}')).toBe(2);
    const route = 'method="POST",route="/purchase/:itemId"';
    expect(await sum(`holdfast_http_requests_total{${route},status="202"}`)).toBe(7);
  });

  test("whatever is asked, the labels are bounded: no ids, and an unknown address is none", async () => {
    const [api] = apis as [TestApi];
    const wild = Array.from(
      { length: 300 },
      (_, i) => `/${["orders", "items", "nowhere", "ops"][i % 4]}/x${i}/${i % 3}`,
    );
    await Promise.all(wild.map((url) => api.app.inject(url)));
    await Promise.all(Array.from({ length: 300 }, (_, i) => api.app.inject(`/items/item-${i}`)));
    await buy(api, "item_1", "held", {}); // an id in an answer
    const lines = await scrape(api);
    const series = lines.filter((line) => line !== "" && !line.startsWith("#"));
    expect(series.length).toBeLessThan(1_000);
    expect(series.filter((line) => /item-\d|x\d+\/|shopper-|[0-9a-f]{8}-[0-9a-f]{4}/.test(line))).toEqual([]);
    expect(series.some((line) => line.includes('route="none",status="404"'))).toBe(true);
    const typed = lines.filter((line) => line.startsWith("# TYPE holdfast_"));
    for (const line of typed) {
      const [, , name = "", type] = line.split(" ");
      expect(lines).toContainEqual(expect.stringMatching(`^# HELP ${name} `));
      if (type === "counter") expect(name).toMatch(/_total$/);
      else expect(name).not.toMatch(/_total$/);
      if (type === "histogram") expect(name).toMatch(/_(seconds|orders)$/);
    }
  });

  test("who asks to be held is timed apart from requests", async () => {
    const [api] = apis as [TestApi];
    const placed = await buy(api, "item_1", "waiter");
    const authorization = await shopperAuthorization("waiter");
    const url = placed.headers.location as string;
    const before = await sum('holdfast_http_request_duration_seconds_count{method="GET",route="/orders/:id"}');
    await api.app.inject({ url, headers: { authorization, prefer: "wait=1" } });
    expect(await sum('holdfast_http_wait_duration_seconds_count{route="/orders/:id"}')).toBe(1);
    expect(await sum('holdfast_http_request_duration_seconds_count{method="GET",route="/orders/:id"}')).toBe(before);
  });
});
