import { describe, expect, test } from "vitest";
import { type Figures, fitFigures, forecast, offBy, type Plan } from "../proof/forecast/forecast.ts";

const about = { measuredAt: "2026-11-27T20:00:00Z", machine: "test", apis: 2, workers: 2 };
const figures: Figures = {
  ...about,
  fixedMs: 500,
  perBuyerMs: 0.4,
  perChargeMs: 4,
  paidFixedMs: 800,
  perPaidMs: 0,
  redisPerBuyerMs: null,
};
const plan: Plan = {
  buyers: 10_000,
  units: 100,
  apis: 2,
  workers: 2,
  lanes: 4,
  chargesPerSecond: 25,
  holdSeconds: 600,
  maxLine: 1_000_000,
  addressRatePerMinute: 0,
  shared: false,
};

describe("a forecast", () => {
  const knowing = [1_000, 5_000, 9_000].map((buyers) => {
    return { buyers, units: 10, knownMs: 300 + buyers * 0.5, paidMs: 400 + buyers * 0.5, redisMs: buyers * 0.05 };
  });
  // Known after 300 + 500 ms, and 2 ms more for each of the 100 payments of the first 1,000 ms;
  // paid after 700 ms, and 11 ms more for each of the units, 10 of them for the rate.
  const paying = [1_000, 2_000].map((units) => {
    return { buyers: 1_000, units, knownMs: 1_000, paidMs: 700 + units * 11, redisMs: null };
  });

  test("is what rushes of other sizes came to, where the cost of a shopper is the same", () => {
    const fitted = fitFigures(knowing, paying, 100, about);
    expect(fitted.fixedMs).toBeCloseTo(300);
    expect(fitted.perBuyerMs).toBeCloseTo(0.5);
    expect(fitted.perChargeMs).toBeCloseTo(2);
    expect(fitted.paidFixedMs).toBeCloseTo(700);
    expect(fitted.perPaidMs).toBeCloseTo(1);
    expect(fitted.redisPerBuyerMs).toBeCloseTo(0.05);
    expect(forecast(fitted, { ...plan, buyers: 7_000 }).knownMs).toBeCloseTo(300 + 3_500);
  });

  test("is later by what is charged until everybody knows, where all shares one machine", () => {
    const shared = { ...plan, buyers: 5_000, chargesPerSecond: 50, shared: true };
    // 2,500 ms by themselves; a fifth of each second goes to charging.
    expect(forecast(figures, { ...shared, units: 5_000 }).knownMs).toBeCloseTo(2_500 / 0.8);
    expect(forecast(figures, { ...shared, units: 10 }).knownMs).toBeCloseTo(2_500 + 40);
    expect(forecast(figures, { ...shared, units: 5_000, chargesPerSecond: 1_000 }).knownMs).toBeLessThan(30_000);
  });

  test("says when everybody has paid by the provider's rate, and never before everybody knows", () => {
    expect(forecast(figures, plan).paidMs).toBeCloseTo(800 + 4_000);
    expect(forecast(figures, { ...plan, units: 5_000 }).paidMs).toBeCloseTo(800 + 200_000);
    expect(forecast(figures, { ...plan, buyers: 100_000, units: 1 }).paidMs).toBeCloseTo(500 + 40_000);
    expect(forecast(figures, { ...plan, buyers: 10, units: 5_000 }).paidMs).toBeLessThan(2_000);
  });

  test("names enough servers that everybody knows within ten seconds", () => {
    const { apis } = forecast(figures, { ...plan, buyers: 200_000 });
    expect(forecast(figures, { ...plan, buyers: 200_000, apis }).knownMs).toBeLessThanOrEqual(10_000);
    expect(forecast(figures, { ...plan, buyers: 200_000, apis: apis - 1 }).knownMs).toBeGreaterThan(10_000);
  });

  test.each<[Partial<Plan>, RegExp]>([
    [{ buyers: 2_000_000 }, /MAX_LINE/],
    [{ buyers: 100_000, units: 50_000 }, /grows stale after 15: raise CHARGE_RATE_PER_SECOND/],
    [{ buyers: 100_000, units: 20_000 }, /longer than a hold/],
    [{ apis: 20, workers: 20 }, /connections to Postgres/],
    [{ addressRatePerMinute: 1_200 }, /ADDRESS_RATE_PER_MINUTE/],
  ])("of %j names what breaks", (change, sentence) => {
    expect(forecast(figures, { ...plan, ...change }).breaks.join("\n")).toMatch(sentence);
  });

  test("names nothing where all fits", () => {
    expect(forecast(figures, plan).breaks).toEqual([]);
  });

  test("from rushes that do not differ, or were paid before everybody knew, is refused", () => {
    const same = { buyers: 1_000, units: 10, knownMs: 500, paidMs: 900, redisMs: null };
    expect(() => fitFigures([same, same], paying, 100, about)).toThrow("measure again");
    expect(() => fitFigures(knowing, [{ ...same, paidMs: 500 }], 100, about)).toThrow("measure again");
  });

  test("is no faster than Redis, however many servers there are, and says so", () => {
    const withRedis = { ...figures, redisPerBuyerMs: 0.1 };
    const told = forecast(withRedis, { ...plan, buyers: 200_000, apis: 100 });
    expect(told.knownMs).toBeCloseTo(500 + 20_000);
    expect(told.breaks.join("\n")).toMatch(/Redis, on its one core, takes 20 s/);
  });
});

test("a forecast of 12 s where 10 s were measured is over by a fifth", () => {
  expect(offBy(12, 10)).toBeCloseTo(0.2);
});
