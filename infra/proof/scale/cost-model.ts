/**
 * What a sale costs in CPU time, part by part, from what rushes cost: each part's cost is a sum over
 * what happened, so that it can be told for other sizes. Small sums with the reasons beside them.
 */

export const partNames = ["api", "worker", "postgres", "redis"] as const;
export type PartName = (typeof partNames)[number];

/** What happened in a rush, as far as it costs something. */
export interface Happened {
  /** Put in line, and decided. */
  readonly accepted: number;
  /** Told "Out of stock" at the door, out of memory. */
  readonly refused: number;
  readonly paid: number;
  readonly seconds: number;
  readonly apis: number;
  readonly workers: number;
}

export interface RushCost extends Happened {
  readonly cpuMs: Readonly<Record<PartName, number>>;
}

/** Of one part, in ms of CPU time. */
export interface PartCost {
  readonly perAcceptedMs: number;
  readonly perRefusedMs: number;
  readonly perPaidMs: number;
  /** For each second, while nothing happens: of each API server and worker, of a server of theirs. */
  readonly idleMs: number;
}

export type Costs = Readonly<Record<PartName, PartCost>>;

/**
 * What it costs with one API server and worker, with two, with three and so on. Those share this
 * machine's cores: the more of them take turns, the dearer is each step, and a request at the door
 * more so than a payment, which waits for others most of its time.
 */
export type CostModel = readonly Costs[];

/** As how many of each share two cores a crowd's servers are reckoned: busier than alone. */
const reckonedAs = 2;

/** With so many of each; with more than were measured as with the most of them. */
function costsWith(model: CostModel, count: number): Costs {
  const costs = model[Math.min(count, model.length) - 1];
  if (costs === undefined) throw new Error("A cost model begins with one of each");
  return costs;
}

/** How many of a part there are: each costs something by being there. */
function countOf(part: PartName, { apis, workers }: Pick<Happened, "apis" | "workers">): number {
  if (part === "api") return apis;
  if (part === "worker") return workers;
  return apis + workers; // whom Postgres and Redis hear from each second
}

/**
 * Fits what happened to what it cost, by least squares of the relative error; no cost is below
 * nothing.
 * @param idle what each part costs in a second in which nothing happens
 * @param rushes three or more, of different kinds: many refused, all accepted, many paid; all with as
 *   many API servers and workers
 */
export function fitCosts(idle: Readonly<Record<PartName, number>>, rushes: readonly RushCost[]): Costs {
  const fitPart = (part: PartName): PartCost => {
    const rows = rushes.map((rush) => {
      const cost = Math.max(1, rush.cpuMs[part] - idle[part] * countOf(part, rush) * rush.seconds);
      return [rush.accepted / cost, rush.refused / cost, rush.paid / cost] as const;
    });
    const [perAcceptedMs = 0, perRefusedMs = 0, perPaidMs = 0] = nonNegativeLeastSquares(rows);
    return { perAcceptedMs, perRefusedMs, perPaidMs, idleMs: idle[part] };
  };
  return byPart(fitPart);
}

/**
 * What the parts take for what is to happen, in ms of CPU time.
 * @param like as with how many servers each step costs
 */
export function costOf(model: CostModel, happened: Happened, like = happened.apis): Record<PartName, number> {
  const costs = costsWith(model, like);
  return byPart((part) => workOf(costs[part], happened) + idleOf(costs[part], part, happened));
}

function workOf({ perAcceptedMs, perRefusedMs, perPaidMs }: PartCost, { accepted, refused, paid }: Happened): number {
  return accepted * perAcceptedMs + refused * perRefusedMs + paid * perPaidMs;
}

function idleOf({ idleMs }: PartCost, part: PartName, happened: Happened): number {
  return idleMs * countOf(part, happened) * happened.seconds;
}

function byPart<T>(make: (part: PartName) => T): Record<PartName, T> {
  return Object.fromEntries(partNames.map((part) => [part, make(part)])) as Record<PartName, T>;
}

const steps = 20_000;

/** The x ≥ 0 for which each row's sum comes nearest to 1; by coordinate descent. */
function nonNegativeLeastSquares(rows: readonly (readonly [number, number, number])[]): number[] {
  const x = [0, 0, 0];
  for (let step = 0; step < steps; step++) {
    const k = step % 3;
    let [above, below] = [0, 0];
    for (const row of rows) {
      const others = row.reduce((sum, value, i) => (i === k ? sum : sum + value * (x[i] ?? 0)), 0);
      above += (row[k] ?? 0) * (1 - others);
      below += (row[k] ?? 0) ** 2;
    }
    x[k] = below === 0 ? 0 : Math.max(0, above / below);
  }
  return x;
}

export interface ScalePlan {
  readonly shoppers: number;
  readonly minutes: number;
  readonly units: number;
  readonly items: number;
  /** Requests of each shopper beside the purchase: pages of the item, looks at the order. */
  readonly looksPerShopper: number;
  readonly pricePerCoreHour: number;
  /** How full a core may be. */
  readonly fullness: number;
}

export interface Scale {
  /** Cores of each part while the crowd comes. */
  readonly cores: Readonly<Record<PartName, number>>;
  readonly price: number;
  /** Orders a second of one item: its lane's worker, its Postgres row, its Redis node. */
  readonly ceiling: Readonly<Record<"worker" | "postgres" | "redis", number>>;
  /** What share of the lowest of those each item takes, all alike. */
  readonly itemLoad: number;
}

const knownAfterSeconds = 0.5; // from the last unit's order to "Out of stock" at every door

/**
 * What a crowd takes in machines. Nearly all of it is refused at the door: in line are those who get
 * a unit, and those who come before the doors know that all are gone.
 */
export function scaleOf(model: CostModel, plan: ScalePlan): Scale {
  const seconds = plan.minutes * 60;
  const accepted = Math.min(plan.shoppers, plan.units + (plan.shoppers / seconds) * knownAfterSeconds);
  const looks = plan.shoppers * plan.looksPerShopper;
  const refused = plan.shoppers - accepted + looks;
  const happened = { accepted, refused, paid: plan.units, seconds, apis: reckonedAs, workers: reckonedAs };
  const costs = costsWith(model, reckonedAs);
  const cores = byPart((part) => workOf(costs[part], happened) / 1_000 / seconds / plan.fullness);
  const total = partNames.reduce((sum, part) => sum + Math.ceil(cores[part]), 0);
  const perSecond = (part: PartName) => 1_000 / (costs[part].perAcceptedMs || Number.POSITIVE_INFINITY);
  const ceiling = { worker: perSecond("worker"), postgres: perSecond("postgres"), redis: perSecond("redis") };
  return {
    cores,
    price: total * (plan.minutes / 60) * plan.pricePerCoreHour,
    ceiling,
    itemLoad: accepted / seconds / plan.items / Math.min(...Object.values(ceiling)),
  };
}
