import { expect, test } from "vitest";
import { costOf, fitCosts, type Happened, partNames, type RushCost, scaleOf } from "../proof/scale/cost-model.ts";

const idle = { api: 8, worker: 6, postgres: 2, redis: 1 };
/** What a sale would cost where each part took so much of everything, with some noise. */
const rush = (happened: Happened, perRefusedMs = 0.08): RushCost => {
  const { accepted, refused, paid, seconds, apis, workers } = happened;
  const counts = { api: apis, worker: workers, postgres: apis + workers, redis: apis + workers };
  const cpuMs = Object.fromEntries(
    partNames.map((part) => [
      part,
      accepted * 0.2 + refused * perRefusedMs + paid * 2 + idle[part] * counts[part] * seconds,
    ]),
  ) as RushCost["cpuMs"];
  return { ...happened, cpuMs };
};
const sized = { seconds: 10, apis: 2, workers: 2 };
const kinds = [
  { accepted: 100, refused: 15_900, paid: 20, ...sized },
  { accepted: 6_000, refused: 0, paid: 20, ...sized },
  { accepted: 3_000, refused: 0, paid: 3_000, ...sized },
  { accepted: 9_000, refused: 1_000, paid: 50, ...sized },
];
const costs = fitCosts(
  idle,
  kinds.map((kind) => rush(kind)),
);
const model = [costs, costs, costs];

test("finds what each thing cost, of every part", () => {
  for (const part of partNames) {
    expect(costs[part].perAcceptedMs).toBeCloseTo(0.2, 2);
    expect(costs[part].perRefusedMs).toBeCloseTo(0.08, 2);
    expect(costs[part].perPaidMs).toBeCloseTo(2, 1);
  }
});

test("tells what a rush of another size takes, and is off by what it does not know", () => {
  const larger = { accepted: 2_000, refused: 30_000, paid: 500, seconds: 20, apis: 3, workers: 3 };
  const told = costOf(model, larger);
  for (const part of partNames) expect(told[part] / rush(larger).cpuMs[part]).toBeCloseTo(1, 1);
  // A refusal that costs three times as much shows in a rush of refusals.
  const dearer = rush(larger, 0.24);
  for (const part of partNames) expect(told[part] / dearer.cpuMs[part]).toBeLessThan(0.8);
});

test("knows that with more servers on the same cores some things get dearer than others", () => {
  const perRefusedMs = (count: number) => 0.04 + 0.02 * count; // and the rest costs what it did
  const fitted = [1, 2, 3].map((count) =>
    fitCosts(
      idle,
      kinds.map((kind) => rush({ ...kind, apis: count, workers: count }, perRefusedMs(count))),
    ),
  );
  for (const count of [1, 2, 3]) {
    const happened = { accepted: 500, refused: 9_500, paid: 20, seconds: 5, apis: count, workers: count };
    const took = rush(happened, perRefusedMs(count)).cpuMs;
    for (const part of partNames) expect(costOf(fitted, happened)[part] / took[part]).toBeCloseTo(1, 1);
  }
  // More than were measured cost what the most of them did.
  const five = { accepted: 0, refused: 10_000, paid: 0, seconds: 5, apis: 5, workers: 5 };
  expect(costOf(fitted, five).api).toBeCloseTo(rush(five, perRefusedMs(3)).cpuMs.api, -1);
});

test("a crowd takes the cores that its requests cost, at the price of whole cores", () => {
  const plan = {
    shoppers: 6_000_000,
    minutes: 10,
    units: 60_000,
    items: 10,
    looksPerShopper: 1,
    pricePerCoreHour: 0.06,
    fullness: 0.5,
  };
  const { cores, price, ceiling, itemLoad } = scaleOf(model, plan);
  const accepted = 60_000 + 10_000 * 0.5; // those who come while the doors do not know yet
  const ms = accepted * 0.2 + (12_000_000 - accepted) * 0.08 + 60_000 * 2;
  for (const part of partNames) expect(cores[part]).toBeCloseTo(ms / 1_000 / 600 / 0.5, 0);
  expect(price).toBeCloseTo(Object.values(cores).reduce((sum, one) => sum + Math.ceil(one), 0) * (10 / 60) * 0.06, 5);
  expect(ceiling.worker).toBeCloseTo(5_000, -2);
  expect(itemLoad).toBeCloseTo(accepted / 600 / 10 / 5_000, 3);
});
