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
  /** CPU that Redis used; null where it was not started for the rush. */
  readonly redisMs: number | null;
}

/** What rushes on a machine have shown, all with the same processes. */
export interface Figures {
  readonly measuredAt: string;
  readonly machine: string;
  readonly apis: number;
  readonly workers: number;
  /** Until the first shopper is answered, however many there are. */
  readonly fixedMs: number;
  /** For each further shopper. */
  readonly perBuyerMs: number;
  /**
   * How much later everybody knows for each payment made meanwhile, where all share one machine.
   */
  readonly perChargeMs: number;
  /** Until the first order is paid, and what each takes beside its share of the provider's rate. */
  readonly paidFixedMs: number;
  readonly perPaidMs: number;
  /** Of Redis, which has one core, for each shopper; null where that could not be measured. */
  readonly redisPerBuyerMs: number | null;
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
  /**
   * Whether all of it shares one machine, as where it was measured: then charging takes its part.
   */
  readonly shared: boolean;
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
 * Fits lines through what was measured: a crowd twice as large takes twice as long, beside what it
 * takes to get going, and so do twice as many payments.
 * @param knowing rushes of different sizes with so few units that paying hardly matters, two at
 *   least
 * @param paying two or more of different units, so many that paying takes longer than knowing
 * @param chargesPerSecond the rate at which these rushes were charged
 */
export function fitFigures(
  knowing: readonly Measured[],
  paying: readonly Measured[],
  chargesPerSecond: number,
  about: Pick<Figures, "measuredAt" | "machine" | "apis" | "workers">,
): Figures {
  const known = fitLine(knowing.map(({ buyers, knownMs }) => ({ x: buyers, y: knownMs })));
  const paid = fitLine(
    paying.map(({ units, paidMs }) => ({ x: units, y: paidMs - chargingMs(units, chargesPerSecond) })),
  );
  if (!(known.slope > 0) || paying.some((rush) => rush.paidMs <= rush.knownMs))
    throw new Error("The rushes do not differ enough to say what a shopper and a payment cost: measure again");
  const slowedMs = (rush: Measured) => rush.knownMs - known.start - known.slope * rush.buyers;
  const meanwhile = (rush: Measured) => Math.min(rush.units, (rush.knownMs / 1_000) * chargesPerSecond);
  const redis = knowing.flatMap((rush) => (rush.redisMs === null ? [] : [rush.redisMs / rush.buyers]));
  return {
    ...about,
    fixedMs: known.start,
    perBuyerMs: known.slope,
    // The line through nothing: where more was charged, the noise is a smaller part.
    perChargeMs: Math.max(
      0,
      mean(paying.map((rush) => slowedMs(rush) * meanwhile(rush))) / mean(paying.map((rush) => meanwhile(rush) ** 2)),
    ),
    paidFixedMs: paid.start,
    perPaidMs: Math.max(0, paid.slope),
    redisPerBuyerMs: redis.length === 0 ? null : mean(redis),
  };
}

/** The straight line nearest to points, which begins at nothing or above. */
function fitLine(points: readonly { readonly x: number; readonly y: number }[]): { start: number; slope: number } {
  const [x, y] = [mean(points.map((point) => point.x)), mean(points.map((point) => point.y))];
  const slope =
    mean(points.map((point) => (point.x - x) * (point.y - y))) / mean(points.map((point) => (point.x - x) ** 2));
  return { start: Math.max(0, y - slope * x), slope };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const chargingMs = (units: number, perSecond: number) => (units / perSecond) * 1_000;

const wantedMs = 10_000; // whoever waits longer presses again
const tokenLifeMinutes = 15; // a confirmation token of the provider's
const bytesInLine = 350; // of Redis, for an order in line
const connectionsOfApi = 10;
const connectionsOfWorker = 13; // and one for each lane
const postgresConnections = 100; // max_connections, unless it was set
const ordersPerWorkerSecond = 5_000; // decided in batches of hundreds; measured at up to 8,800

export function forecast(figures: Figures, plan: Plan): Forecast {
  const { buyers, units } = plan;
  // The API servers share the crowd; more of them on cores of their own are that much faster, until
  // they wait for Redis.
  const share = figures.apis / plan.apis;
  const redisMs = (figures.redisPerBuyerMs ?? 0) * buyers;
  const sold = Math.min(units, buyers);
  const aloneMs = figures.fixedMs + Math.max(figures.perBuyerMs * buyers * share, redisMs);
  const knownMs = aloneMs + (plan.shared ? slowedByCharges(figures, plan, sold, aloneMs) : 0);
  const paidMs = figures.paidFixedMs + chargingMs(sold, plan.chargesPerSecond) + sold * figures.perPaidMs;
  const apis = Math.max(
    1,
    Math.ceil((figures.perBuyerMs * buyers * figures.apis) / Math.max(1, wantedMs - figures.fixedMs)),
  );
  // What is in line until the units are gone is decided by the workers; the rest is refused out of
  // memory.
  const workers = Math.max(figures.workers, Math.ceil(sold / ordersPerWorkerSecond / (wantedMs / 1_000)));
  return { knownMs, paidMs: Math.max(paidMs, knownMs), breaks: breaksOf(plan, sold, redisMs), apis, workers };
}

/**
 * By how much charging on the same cores delays the last answer: it goes on until then, or until
 * all is paid.
 */
function slowedByCharges({ perChargeMs }: Figures, plan: Plan, sold: number, aloneMs: number): number {
  const share = Math.min(0.9, (perChargeMs * plan.chargesPerSecond) / 1_000); // of each second
  return Math.min(sold * perChargeMs, (aloneMs * share) / (1 - share));
}

function breaksOf(plan: Plan, sold: number, redisMs: number): string[] {
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
      redisMs > wantedMs,
      `Redis, on its one core, takes ${Math.round(redisMs / 1_000)} s for so many: they know no sooner, however many servers there are. Let them come over a longer time (a waiting room).`,
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
