import type { Evidence } from "./evidence.ts";
import type { Finding } from "./judge.ts";
import type { Fault } from "./scenario.ts";
import type { Tale } from "./shopper.ts";

/**
 * Milliseconds from the part's return (or the worker's death) on; null where nobody was concerned.
 */
export interface Recovery {
  /** Until the first order that was accepted after it was decided. */
  readonly firstOrderMs: number | null;
  /**
   * Until the last of those under way then was settled, but for payments whose outcome was unknown.
   */
  readonly underWayMs: number | null;
  /** How long the slowest of those accepted afterwards took to be settled. */
  readonly laterMs: number | null;
  /** The same for all those whose payment's outcome was unknown at some time. */
  readonly unknownMs: number | null;
}

/** How long an order took, and which. */
interface Wait {
  readonly orderId: string | null;
  readonly ms: number;
}

const recoveryBoundMs = 10_000;
const settleBoundMs = 60_000; // for payments of unknown outcome, and for those who came into a line that had grown long

/**
 * How long it took until the shop was itself again, as the shoppers saw it: their polls are a few
 * tenths of a second apart.
 */
export function recoveryOf(
  evidence: Evidence,
  { struckAtMs, backAtMs }: Fault,
  slowToSettle: boolean,
): { underWay: number; figures: Recovery; findings: Finding[] } {
  const unknown = new Set(evidence.rows.filter((row) => row.paymentWasUnknown).map((row) => row.id));
  const accepted = evidence.tales.filter((tale) => tale.acceptedMs !== null);
  const openAt = (ms: number) =>
    accepted.filter((tale) => (tale.acceptedMs ?? 0) < ms && (tale.settledMs ?? Number.POSITIVE_INFINITY) >= ms);
  const after = accepted.filter((tale) => (tale.acceptedMs ?? 0) >= backAtMs);
  const open = openAt(backAtMs);
  const isUnknown = (tale: Tale) => unknown.has(tale.orderId ?? "");
  const isPlain = (tale: Tale) => !isUnknown(tale);
  // Whoever was never told is the judge's to count.
  const slowest = (tales: readonly Tale[]): Wait | null => {
    const waits = tales.flatMap(({ orderId, settledMs, acceptedMs }) =>
      settledMs === null ? [] : [{ orderId, ms: settledMs - Math.max(backAtMs, acceptedMs ?? 0) }],
    );
    return waits.sort((a, b) => b.ms - a.ms)[0] ?? null;
  };
  const firstOrderMs = Math.min(...after.map((tale) => tale.decidedMs ?? Number.POSITIVE_INFINITY)) - backAtMs;
  const underWay = slowest(open.filter(isPlain));
  const later = slowest(after.filter(isPlain));
  const asked = slowest([...open, ...after].filter(isUnknown));
  const within = (check: string, wait: Wait | null, boundMs: number): Finding => ({
    check: `${check} within ${boundMs / 1_000} s`,
    ok: wait === null || wait.ms <= boundMs,
    found: wait === null ? "nobody was concerned" : `${(wait.ms / 1_000).toFixed(1)} s ${wait.orderId ?? ""}`.trim(),
  });
  return {
    underWay: openAt(struckAtMs).length,
    figures: {
      firstOrderMs,
      underWayMs: underWay?.ms ?? null,
      laterMs: later?.ms ?? null,
      unknownMs: asked?.ms ?? null,
    },
    findings: [
      within("the first new order was decided", { orderId: null, ms: firstOrderMs }, recoveryBoundMs),
      within("orders under way were settled", underWay, slowToSettle ? settleBoundMs : recoveryBoundMs),
      within("later orders were settled", later, settleBoundMs),
      within("payments of unknown outcome were settled", asked, settleBoundMs),
    ],
  };
}
