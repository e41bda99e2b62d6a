import { decisionBounds, type MemberFigures } from "@holdfast/shared/fleet-report.ts";
import { createProcessMetrics, metricsIn, type ProcessMetrics } from "@holdfast/shared/metrics/process-metrics.ts";
import type { Order } from "@holdfast/shared/order.ts";
import type { PaymentOutcome } from "../payment/classify-payment.ts";
import type { ProviderErrorClass } from "../payment/watch-provider.ts";

/** What a worker counts, each by one call where it happens. */
export interface WorkerMetrics extends ProcessMetrics {
  /** Orders that this process has decided. */
  readonly decided: (orders: readonly Order[]) => void;
  /** How many orders a transaction was about, and for how long the item was locked. */
  readonly batchDone: (orders: number, seconds: number) => void;
  readonly settled: (outcome: "confirmed" | "cancelled" | "refunded", reason: string | null) => void;
  readonly lockWaited: () => void;
  readonly lockLost: () => void;
  /** What a charge came to, and how long the provider took. */
  readonly charged: (outcome: PaymentOutcome["kind"], seconds: number) => void;
  readonly providerAsked: (failed: ProviderErrorClass | null) => void;
  readonly watchSilence: (silentMs: () => number) => void;
  readonly delivered: (outcome: string) => void;
  readonly swept: (kind: string, count: number) => void;
  readonly jobFailed: (queue: string) => void;
  /** What of it the fleet's report has. */
  readonly figures: () => MemberFigures;
}

const batchBounds = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000];
const secondsBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Makes the metrics of a worker; names and meaning are in docs/metrics.md. */
export function createWorkerMetrics(version: string, scope: "process" | "ours only" = "process"): WorkerMetrics {
  const common = createProcessMetrics(version, scope);
  const { counter, histogram, reading } = metricsIn(common.registry);
  const decidedTotal = counter("orders_decided_total", "Orders decided, by outcome", ["outcome", "reason"]);
  const settledTotal = counter("orders_settled_total", "Orders settled, by outcome", ["outcome", "reason"]);
  const decision = histogram("order_decision_seconds", "From press to decision", decisionBounds);
  const batchOrders = histogram("reserve_batch_orders", "Orders decided in one transaction", batchBounds);
  const batchSeconds = histogram("reserve_batch_seconds", "From taking an item's lock to its release", secondsBounds);
  const lockWaits = counter("item_lock_waits_total", "Jobs that waited since their item was locked elsewhere");
  const lockLosses = counter("item_lock_losses_total", "Item locks that were lost before the work was done");
  const chargeHelp = "How long the provider took for a charge, by what it came to";
  const charge = histogram("charge_duration_seconds", chargeHelp, secondsBounds, ["outcome"]);
  const requests = counter("provider_requests_total", "Requests to the payment provider");
  const errors = counter("provider_errors_total", "Requests to the provider that failed, by class", ["class"]);
  const deliveries = counter("shop_deliveries_total", "Webhooks to the shop, by outcome", ["outcome"]);
  const found = counter("sweeper_found_total", "What the sweeper put in line again, by kind", ["kind"]);
  const failedJobs = counter("jobs_failed_total", "Tries of jobs that failed, by queue", ["queue"]);
  const counts = emptyFigures();
  return {
    ...common,
    decided(orders) {
      for (const order of orders) {
        decidedTotal.inc({ outcome: order.status, reason: order.reason ?? "" });
        add(counts.orders, order.status);
        const seen =
          Math.max(0, (order.reservedAtMs ?? order.settledAtMs ?? order.placedAtMs) - order.placedAtMs) / 1000;
        decision.observe(seen);
        const index = decisionBounds.findIndex((bound) => seen <= bound);
        const at = index === -1 ? decisionBounds.length : index;
        counts.decisionSeconds[at] = (counts.decisionSeconds[at] ?? 0) + 1;
      }
    },
    batchDone(orders, seconds) {
      batchOrders.observe(orders);
      batchSeconds.observe(seconds);
    },
    settled(outcome, reason) {
      settledTotal.inc({ outcome, reason: reason ?? "" });
      add(counts.orders, outcome);
    },
    lockWaited: () => lockWaits.inc(),
    lockLost: () => lockLosses.inc(),
    charged(outcome, seconds) {
      charge.observe({ outcome }, seconds);
      add(counts.charges, outcome);
    },
    providerAsked(failed) {
      requests.inc();
      if (failed === null) return;
      errors.inc({ class: failed });
      add(counts.providerErrors, failed);
    },
    watchSilence(silentMs) {
      const help = "For how long the provider has answered nothing that it was asked; 0 while it answers";
      reading("provider_unanswered_seconds", help, () => silentMs() / 1000);
    },
    delivered: (outcome) => deliveries.inc({ outcome }),
    swept: (kind, count) => found.inc({ kind }, count),
    jobFailed: (queue) => failedJobs.inc({ queue }),
    figures: () => counts,
  };
}

function emptyFigures(): MemberFigures {
  const decisionSeconds = Array.from({ length: decisionBounds.length + 1 }, () => 0);
  return { orders: {}, decisionSeconds, charges: {}, providerErrors: {}, requests: 0, shed: 0, waiting: 0 };
}

function add(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
