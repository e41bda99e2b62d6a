import type { Order } from "@holdfast/shared/order.ts";
import type { Standing } from "@holdfast/shared/show-order.ts";
import { chargesAhead, type ReadChargeBacklog } from "./charge-backlog.ts";
import type { LineStatus, ReadLine } from "./line-status.ts";

export interface StandingParts {
  readonly readLine: ReadLine;
  readonly readBacklog: ReadChargeBacklog;
  readonly chargesPerSecond: number;
  /** Told what each queued order sees of its line. */
  readonly onLine: (order: Order, line: LineStatus) => void;
}

/** What an order waits behind; null where it waits for its shopper, or for nothing. */
export type ReadStanding = (order: Order) => Promise<Standing | null>;

/** Nobody is told less: it takes a moment in any case. */
const leastSeconds = 1;

export function standingReader({ readLine, readBacklog, chargesPerSecond, onLine }: StandingParts): ReadStanding {
  const read = async (order: Order): Promise<Standing | null> => {
    if (order.status === "queued") {
      const line = await readLine(order);
      onLine(order, line);
      return inLine(order, line);
    }
    if (order.status !== "reserved" || order.paymentStatus !== "pending" || order.reservedAtMs === null) return null;
    const ahead = chargesAhead(await readBacklog(), order.reservedAtMs);
    return { position: null, estimatedSeconds: seconds(ahead, chargesPerSecond), itemLocked: false };
  };
  // An order that was accepted or found is answered: an estimate is not worth a refusal.
  return (order) => read(order).catch(() => null);
}

export function inLine({ place }: Pick<Order, "place">, line: LineStatus): Standing {
  const { decidedPlace, itemLocked, perSecond } = line;
  if (place === null) return { position: null, estimatedSeconds: null, itemLocked };
  // The count can lag a moment behind the worker; whoever is still queued is at least next.
  const position = Math.max(1, place - decidedPlace);
  return { position, estimatedSeconds: seconds(position, perSecond), itemLocked };
}

function seconds(ahead: number, perSecond: number): number {
  return Math.max(leastSeconds, Math.ceil(ahead / perSecond));
}
