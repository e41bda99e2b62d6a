/**
 * What a sale will be like, from what rushes were like: small sums with the reasons beside them, so
 * that whoever doubts a figure can check it.
 */

/** A rush, as far as a forecast goes by it. */
export interface Measured {
  readonly buyers: number;
  readonly units: number;
  /** When everybody knew whether they have a unit, in ms since the crowd pressed. */
  readonly knownMs: number;
  /** When the last order was paid. */
  readonly paidMs: number;
}

/** What rushes on a machine have shown, all with the same processes. */
export interface Figures {
  readonly measuredAt: string;
  readonly machine: string;
  readonly apis: number;
  readonly workers: number;
  readonly chargesPerSecond: number;
  /** Until the first shopper is answered, however many there are. */
  readonly fixedMs: number;
  /** For each further shopper. */
  readonly perBuyerMs: number;
  /** Until the first order is paid, beside its share of the provider's rate. */
  readonly paidFixedMs: number;
}

/** The sale that is planned. */
export interface Plan {
  readonly buyers: number;
  readonly units: number;
  readonly apis: number;
  readonly workers: number;
  readonly lanes: number;
  readonly chargesPerSecond: number;
  readonly holdSeconds: number;
  readonly maxLine: number;
  readonly addressRatePerMinute: number;
}

export interface Forecast {
  readonly knownMs: number;
  readonly paidMs: number;
  /** What gets tight, the worst first, each with what to do; nothing where all fits. */
  readonly breaks: readonly string[];
  /** So many that everybody knows within the wanted time. */
  readonly apis: number;
  readonly workers: number;
}

/**
 * Fits a line through what was measured: a crowd twice as large takes twice as long, beside what it
 * takes to get going. Two rushes of different sizes are the least.
 */
export function fitFigures(
  rushes: readonly Measured[],
  about: Pick<Figures, "measuredAt" | "machine" | "apis" | "workers" | "chargesPerSecond">,
): Figures {
  const mean = (of: (rush: Measured) => number) => rushes.reduce((sum, rush) => sum + of(rush), 0) / rushes.length;
  const buyers = mean((rush) => rush.buyers);
  const known = mean((rush) => rush.knownMs);
  const spread = mean((rush) => (rush.buyers - buyers) ** 2);
  const slope = mean((rush) => (rush.buyers - buyers) * (rush.knownMs - known)) / spread;
  if (!(slope > 0))
    throw new Error("The rushes do not differ enough to tell what a shopper costs: measure larger ones");
  const perBuyerMs = slope;
  const fixedMs = Math.max(0, known - slope * buyers);
  const paidFixedMs = mean((rush) => Math.max(0, rush.paidMs - chargingMs(rush.units, about.chargesPerSecond)));
  return { ...about, fixedMs, perBuyerMs, paidFixedMs };
}

const chargingMs = (units: number, perSecond: number) => (units / perSecond) * 1_000;

const wantedMs = 10_000; // whoever waits longer presses again
const tokenLifeMinutes = 15; // a confirmation token of the provider's
const bytesInLine = 350; // of Redis, for an order in line
const connectionsOfApi = 10;
const connectionsOfWorker = 10; // and one for each lane
const postgresConnections = 100; // max_connections, unless it was set
const ordersPerWorkerSecond = 5_000; // decided in batches of hundreds; measured at up to 8,800

export function forecast(figures: Figures, plan: Plan): Forecast {
  const { buyers, units } = plan;
  // The API servers share the crowd; more of them on cores of their own are that much faster.
  const share = figures.apis / plan.apis;
  const knownMs = figures.fixedMs + figures.perBuyerMs * buyers * share;
  const sold = Math.min(units, buyers);
  const paidMs = figures.paidFixedMs + chargingMs(sold, plan.chargesPerSecond);
  const apis = Math.max(
    1,
    Math.ceil((figures.perBuyerMs * buyers * figures.apis) / Math.max(1, wantedMs - figures.fixedMs)),
  );
  // What is in line until the units are gone is decided by the workers; the rest is refused out of memory.
  const workers = Math.max(figures.workers, Math.ceil(sold / ordersPerWorkerSecond / (wantedMs / 1_000)));
  return { knownMs, paidMs: Math.max(paidMs, knownMs), breaks: breaksOf(plan, sold), apis, workers };
}

function breaksOf(plan: Plan, sold: number): string[] {
  const minutes = chargingMs(sold, plan.chargesPerSecond) / 60_000;
  const connections = plan.apis * connectionsOfApi + plan.workers * (connectionsOfWorker + plan.lanes);
  const megabytes = Math.round((Math.min(plan.buyers, plan.maxLine) * bytesInLine) / 1e6);
  const all: readonly (readonly [boolean, string])[] = [
    [
      plan.buyers > plan.maxLine,
      `The line is full at ${plan.maxLine} orders (MAX_LINE): should all press before the units are gone, the others get 503 busy and try again.`,
    ],
    [
      minutes > tokenLifeMinutes,
      `The last payment is tried after ${Math.round(minutes)} minutes, and a card's token grows stale after ${tokenLifeMinutes}: raise CHARGE_RATE_PER_SECOND, with the provider's consent.`,
    ],
    [
      minutes * 60 > plan.holdSeconds && minutes <= tokenLifeMinutes,
      `Charging takes ${Math.round(minutes)} minutes, longer than a hold of ${plan.holdSeconds} s: no unit is lost by it, since a hold begins with the first answer, but shoppers wait.`,
    ],
    [
      connections > postgresConnections,
      `${connections} connections to Postgres, and it takes ${postgresConnections} unless max_connections was raised: use a pooler, or fewer lanes.`,
    ],
    [
      plan.addressRatePerMinute > 0,
      `Shoppers behind one address (an office, a mobile network) buy ${plan.addressRatePerMinute} times a minute together (ADDRESS_RATE_PER_MINUTE).`,
    ],
    [megabytes > 100, `A full line takes some ${megabytes} MB of Redis.`],
  ];
  return all.filter(([breaks]) => breaks).map(([, sentence]) => sentence);
}

/** By how much a forecast was off, as a share of what was measured. */
export function offBy(forecastMs: number, measuredMs: number): number {
  return (forecastMs - measuredMs) / measuredMs;
}
