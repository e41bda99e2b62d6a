import type { Alarm } from "@holdfast/shared/alarm-catalogue.ts";
import type { SaleStatus } from "@holdfast/shared/sale-status.ts";

/**
 * The sale at a moment, as the operations room shows it. Measured once for the whole fleet
 * (measure-sale.ts), kept in Redis, sent to every open room. Money in the currency's minor unit,
 * times in ms since 1970; `null` where nothing is known.
 */
export interface SaleNow {
  readonly atMs: number;
  readonly items: readonly ItemNow[];
  /** How many items there are beside those shown. */
  readonly moreItems: number;
  /** Of the last minute: orders decided and settled, by outcome. */
  readonly orders: Readonly<Record<string, number>>;
  /** From press to decision, of the orders decided in the last minute. */
  readonly decision: { readonly count: number; readonly p50Seconds: number | null; readonly p99Seconds: number | null };
  readonly charges: {
    /** Of the last minute, by what they came to: `paid`, `declined`, `unknown`, … */
    readonly outcomes: Readonly<Record<string, number>>;
    /** Orders whose payment waits for its first try. */
    readonly backlog: number;
    /** How many requests the fleet sends to the provider in a second. */
    readonly perSecond: number;
    /** Until the backlog is worked off at that rate. */
    readonly emptyInSeconds: number;
  };
  readonly provider: {
    readonly kind: "live" | "test" | "simulator" | null;
    /** Of the last minute, by class. */
    readonly errors: Readonly<Record<string, number>>;
    readonly lastError: { readonly atMs: number; readonly text: string } | null;
  };
  readonly payments: {
    readonly unknown: number;
    readonly oldestUnknownSeconds: number | null;
    readonly unmatched: number;
    readonly oldestUnmatchedSeconds: number | null;
    /** Units held, and orders whose hold is past its deadline. */
    readonly holds: number;
    readonly holdsOverdue: number;
    readonly oldestOverdueSeconds: number | null;
    /** Refunds that operations asked for and that are not done yet. */
    readonly refundsOpen: number;
  };
  readonly lanes: readonly LaneNow[];
  readonly members: readonly MemberNow[];
  readonly redis: { readonly state: "up" | "down"; readonly answerMs: number | null; readonly losses: number };
  readonly postgres: { readonly state: "up" | "down" | "read_only"; readonly answerMs: number | null };
  readonly shop: {
    /** Whether a worker delivers to a shop. */
    readonly served: boolean;
    readonly waiting: number;
    readonly failing: number;
    readonly oldestFailingSeconds: number | null;
    readonly lastError: string | null;
  };
  /** Of all API servers, in the last minute, and of those that wait now. */
  readonly requests: { readonly perSecond: number; readonly shed: number; readonly waiting: number };
  /** What the charts show of this moment; null where nothing was measured. */
  readonly moment: SaleBefore | null;
  /** Jobs in the failed sets. */
  readonly deadJobs: number;
  readonly alarms: readonly Alarm[];
}

export interface ItemNow {
  readonly id: string;
  readonly name: string;
  readonly price: number;
  readonly currency: string;
  readonly status: SaleStatus;
  /** By operations, whatever the times say. */
  readonly paused: boolean;
  readonly opensAt: string | null;
  readonly closesAt: string | null;
  readonly stocked: number;
  readonly inventory: number;
  readonly reserved: number;
  readonly confirmed: number;
  /** Units of refunded orders. */
  readonly refunded: number;
  /** Of all orders that were ever confirmed, and what of it went back. */
  readonly taken: number;
  readonly refundedAmount: number;
  readonly balanced: boolean;
  /** Orders in line, and how many of them are decided a second at the pace of the moment. */
  readonly waiting: number;
  readonly perSecond: number;
}

export interface LaneNow {
  readonly number: number;
  readonly paused: boolean;
  /** Orders in line. */
  readonly waiting: number;
  /** How long the first of them has waited. */
  readonly headSeconds: number | null;
  readonly jobs: number;
  readonly failed: number;
}

export interface MemberNow {
  readonly id: string;
  readonly kind: "api" | "worker";
  readonly roles: readonly string[];
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly seenMsAgo: number;
  readonly clockAheadMs: number;
  readonly eventLoopDelayMs: number;
  /** `gone`: it has not reported for seconds and never said that it would leave. */
  readonly state: "up" | "leaving" | "gone";
}

/** What the charts show of an earlier moment; one a second, of the last fifteen minutes. */
export interface SaleBefore {
  readonly atMs: number;
  /** Orders in line; units left, held, sold. */
  readonly waiting: number;
  readonly inventory: number;
  readonly reserved: number;
  readonly confirmed: number;
  /** Since the moment before, per second. */
  readonly decidedPerSecond: number;
  readonly paidPerSecond: number;
  readonly declinedPerSecond: number;
  readonly backlog: number;
  readonly p50Seconds: number | null;
  readonly p99Seconds: number | null;
}
