/**
 * Every alarm there is, in one catalogue: how bad, what it says, and for how long it stands where
 * it was raised once. The operations page, `GET /ops/api/alarms`, the log, the rules for Prometheus
 * and docs/runbook.md have these names and sentences.
 *
 * - `critical`: money or the sale itself; somebody is woken up.
 * - `warning`: it can wait for the morning, but not for the week.
 */

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** What is seen each time the sale is measured stands only while it is seen. */
const whileSeen = 0;
/** What is raised again each minute while it lasts. */
const raisedEachMinute = 90_000;
/** What every try meets anew: an order that waits is tried again within twelve seconds. */
const raisedAtEachTry = 45_000;

export const alarms = {
  redis_unavailable: {
    severity: "critical",
    standsMs: whileSeen,
    sentence:
      "Redis takes no writes, so nobody can buy. Start it, or free its disk and memory; orders in line are kept.",
  },
  postgres_unavailable: {
    severity: "critical",
    standsMs: whileSeen,
    sentence:
      "Postgres does not answer, so orders wait in line and none is decided. Start it; nothing is lost meanwhile.",
  },
  postgres_read_only: {
    severity: "critical",
    standsMs: whileSeen,
    sentence:
      "Postgres takes no writes, so orders wait in line and none is decided. Make it writable, or point DATABASE_URL at the primary.",
  },
  postgres_behind: {
    severity: "critical",
    standsMs: raisedEachMinute,
    sentence:
      "Postgres lacks what was decided: it was restored from an older state, or failed over to a standby that lagged. Nothing is decided or charged until you have run npm run restore-check.",
  },
  replicas_missing: {
    severity: "critical",
    standsMs: raisedEachMinute,
    sentence:
      "Fewer replicas of Redis have an order than ACCEPT_REPLICAS asks for, so purchases are 503. Bring the replicas back, or set it to what is there.",
  },
  no_worker: {
    severity: "critical",
    standsMs: whileSeen,
    sentence:
      "No worker does a part of the work, so what needs it waits. Start a worker with the roles named here; nothing is lost meanwhile.",
  },
  worker_lost: {
    severity: "warning",
    standsMs: whileSeen,
    sentence:
      "A worker is gone without having finished; the others took over its jobs. Read the end of its log, and start another.",
  },
  api_server_lost: {
    severity: "warning",
    standsMs: whileSeen,
    sentence: "An API server is gone without having finished. Read the end of its log, and start another.",
  },
  lane_paused: {
    severity: "warning",
    standsMs: whileSeen,
    sentence: "A lane is paused, so the orders for its items wait. Resume it when you are ready.",
  },
  line_stalled: {
    severity: "critical",
    standsMs: whileSeen,
    sentence:
      "Orders wait in a lane and none of them has been decided for half a minute. See that workers run, and the failed set of the lane.",
  },
  charge_backlog_long: {
    severity: "warning",
    standsMs: whileSeen,
    sentence:
      "Payments will wait for over ten minutes for their turn. Raise CHARGE_RATE_PER_SECOND if the provider allows more; units stay held.",
  },
  holds_overdue: {
    severity: "warning",
    standsMs: whileSeen,
    sentence:
      "Units are held for over a minute past their deadline. See that a worker sweeps, and that the provider answers.",
  },
  books_off: {
    severity: "critical",
    standsMs: whileSeen,
    sentence:
      "The books of an item are off: stocked is not inventory + reserved + confirmed. Pause the item and compare its orders.",
  },
  dead_jobs: {
    severity: "warning",
    standsMs: whileSeen,
    sentence: "Jobs failed for good and wait for people. Read their reasons, mend the cause, and replay them.",
  },
  shop_webhooks_failing: {
    severity: "warning",
    standsMs: whileSeen,
    sentence:
      "The shop does not take its webhooks. Mend its receiver; they are tried for three days, in order, and none is lost.",
  },
  requests_shed: {
    severity: "warning",
    standsMs: whileSeen,
    sentence: "API servers refuse requests because they are too busy. Start more of them.",
  },
  event_loop_slow: {
    severity: "warning",
    standsMs: whileSeen,
    sentence: "A process is busier than it can be, and everything in it waits. Start another one of its kind.",
  },
  clock_off: {
    severity: "warning",
    standsMs: whileSeen,
    sentence:
      "A process has a clock that differs by more than five seconds. Set its machine's time; sales would open and holds end at wrong times.",
  },
  provider_refuses: {
    severity: "critical",
    standsMs: raisedAtEachTry,
    sentence:
      "The payment provider refuses our requests. Check STRIPE_SECRET_KEY, the account and the item's currency and price; no order is cancelled for it, and charging goes on by itself.",
  },
  provider_unavailable: {
    severity: "critical",
    standsMs: raisedAtEachTry,
    sentence:
      "The payment provider does not answer, so payments wait. See its status page; units stay held, nobody is charged twice, and charging goes on by itself.",
  },
  cards_unknown: {
    severity: "critical",
    standsMs: 5 * minute,
    sentence:
      "The provider knows none of the last cards, or they grew stale in line. Check that STRIPE_SECRET_KEY is of the account that the storefront uses, and how long the line is.",
  },
  payment_unknown_too_long: {
    severity: "critical",
    standsMs: raisedEachMinute,
    sentence:
      "Orders hold units for a payment whose outcome has been unknown for over ten minutes. Look the oldest up at the provider by its metadata; nothing is charged twice meanwhile.",
  },
  payment_unmatched_too_long: {
    severity: "critical",
    standsMs: raisedEachMinute,
    sentence:
      "Payments that no order goes by could be neither canceled nor refunded for over an hour. Refund them at the provider; that is noticed here by itself.",
  },
  payment_stuck: {
    severity: "critical",
    standsMs: day,
    sentence: "The payment of an order cannot be settled by any further try. Read why, and settle it at the provider.",
  },
  paid_another_amount: {
    severity: "critical",
    standsMs: day,
    sentence:
      "An order was paid with another amount than its own, changed at the provider. Refund it there, or settle it by hand.",
  },
  refund_failed: {
    severity: "critical",
    standsMs: day,
    sentence:
      "A refund has failed, or the bank has taken the matter over. See the order at the provider and pay back by hand what is still owed.",
  },
  refund_refused: {
    severity: "critical",
    standsMs: 2 * hour,
    sentence: "The payment provider refuses a refund. It is tried again by itself, later each time.",
  },
  totals_off: {
    severity: "critical",
    standsMs: day,
    sentence:
      "The running totals of an item differ from its orders. Pause the item and set item_totals to what is counted.",
  },
  reconcile_differs: {
    severity: "critical",
    standsMs: day,
    sentence: "Postgres and the payment provider differ. Settle each difference by hand; npm run reconcile lists them.",
  },
  night_failed: {
    severity: "warning",
    standsMs: day,
    sentence: "A nightly check did not get to its end. The next night goes on from there; see that it can.",
  },
  redis_emptied: {
    severity: "critical",
    standsMs: day,
    sentence:
      "Redis was emptied, and the orders in line are lost; nothing was charged for them, and their shoppers are told to buy again. Find out who or what did it.",
  },
  redis_restored: {
    severity: "critical",
    standsMs: day,
    sentence:
      "Redis was restored from an older state, and orders in line are lost; nothing was charged for them, and their shoppers are told to buy again. Find out who or what did it.",
  },
  orders_without_job: {
    severity: "critical",
    standsMs: hour,
    sentence:
      "Orders waited in a lane without a purchase job and were cancelled; nothing was charged, and their shoppers are told to buy again. Find out who emptied the lane or removed jobs, or which API server died.",
  },
  shop_events_late: {
    severity: "warning",
    standsMs: 3 * minute,
    sentence: "The shop has not taken events for minutes. Mend its receiver; npm run shop-webhooks lists them.",
  },
  shop_event_dead: {
    severity: "critical",
    standsMs: day,
    sentence:
      "Events for the shop are given up. Mend the shop or start a worker that delivers, then send them again: npm run shop-webhooks -- --replay-dead.",
  },
  shop_events_ended: {
    severity: "warning",
    standsMs: day,
    sentence:
      "No worker with SHOP_WEBHOOK_URL has run for a week, so events for the shop are not written any more. Start one if the shop still wants them.",
  },
} as const satisfies Record<string, AlarmKind>;

interface AlarmKind {
  readonly severity: "critical" | "warning";
  /** For how long it stands after it was last raised, in ms; 0 where it stands while it is seen. */
  readonly standsMs: number;
  /** What is the matter and what to do, for someone who was just woken up. */
  readonly sentence: string;
}

export type AlarmName = keyof typeof alarms;
export const alarmNames = Object.keys(alarms) as AlarmName[];

/** An alarm as it stands now. */
export interface Alarm {
  /** Its name, and whom it is about where there can be several: `lane_paused:3`. */
  readonly id: string;
  readonly name: AlarmName;
  readonly severity: AlarmKind["severity"];
  readonly since: string;
  readonly sentence: string;
  /** What exactly: which lane, how many, the provider's own words. */
  readonly detail: string;
}
