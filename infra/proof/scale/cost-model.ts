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
  /**
   * By what share everything gets dearer with each more API server and worker that share the same
   * cores, from `measuredWith` of each on.
   */
  readonly growth: number;
}

/** How many API servers, and workers, the costs were fitted with. */
export const measuredWith = 2;

export type CostModel = Readonly<Record<PartName, PartCost>>;

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
 * @param rushes four or more, of different kinds: many refused, all accepted, many paid
 */
export function fitCosts(idle: Readonly<Record<PartName, number>>, rushes: readonly RushCost[]): CostModel {
  const fitPart = (part: PartName): PartCost => {
    const rows = rushes.map((rush) => {
      const cost = Math.max(1, rush.cpuMs[part] - idle[part] * countOf(part, rush) * rush.seconds);
      return [rush.accepted / cost, rush.refused / cost, rush.paid / cost] as const;
    });
    const [perAcceptedMs = 0, perRefusedMs = 0, perPaidMs = 0] = nonNegativeLeastSquares(rows);
    return { perAcceptedMs, perRefusedMs, perPaidMs, idleMs: idle[part], growth: 0 };
  };
  return Object.fromEntries(partNames.map((part) => [part, fitPart(part)])) as Record<PartName, PartCost>;
}

/**
 * The same with what rushes of fewer and more servers say of its growth: of each part the mean.
 * @param rushes with other numbers of servers than `measuredWith`
 */
export function fitGrowth(model: CostModel, rushes: readonly RushCost[]): CostModel {
  const fitPart = (part: PartName): PartCost => {
    const shares = rushes.map(
      (rush) => (rush.cpuMs[part] / costOf(model, rush)[part] - 1) / (rush.apis - measuredWith),
    );
    return { ...model[part], growth: shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length) };
  };
  return Object.fromEntries(partNames.map((part) => [part, fitPart(part)])) as Record<PartName, PartCost>;
}

/**
 * What the parts take for what is to happen, in ms of CPU time: of so many servers that share this
 * machine's cores, or, where their number is 0, each with cores of its own.
 */
export function costOf(model: CostModel, happened: Happened): Record<PartName, number> {
  const cost = (part: PartName) => {
    const { perAcceptedMs, perRefusedMs, perPaidMs, idleMs, growth } = model[part];
    const { accepted, refused, paid, seconds, apis } = happened;
    const work = accepted * perAcceptedMs + refused * perRefusedMs + paid * perPaidMs;
    const shared = apis === 0 ? 1 : 1 + growth * (apis - measuredWith);
    return work * shared + idleMs * countOf(part, happened) * seconds;
  };
  return Object.fromEntries(partNames.map((part) => [part, cost(part)])) as Record<PartName, number>;
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
  const happened = {
    accepted,
    refused: plan.shoppers - accepted + looks,
    paid: plan.units,
    seconds,
    apis: 0,
    workers: 0,
  };
  const cost = costOf(model, happened);
  const cores = Object.fromEntries(
    partNames.map((part) => [part, cost[part] / 1_000 / seconds / plan.fullness]),
  ) as Record<PartName, number>;
  const total = partNames.reduce((sum, part) => sum + Math.ceil(cores[part]), 0);
  const perSecond = (part: PartName) => 1_000 / (model[part].perAcceptedMs || Number.POSITIVE_INFINITY);
  return {
    cores,
    price: total * (plan.minutes / 60) * plan.pricePerCoreHour,
    ceiling: { worker: perSecond("worker"), postgres: perSecond("postgres"), redis: perSecond("redis") },
  };
}
