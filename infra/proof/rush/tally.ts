import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Fare } from "./crowd.ts";

/**
 * A set of orders told by how many they are and by a sum over their ids: two sets that agree in
 * both are the same one.
 */
export interface OrderSet {
  readonly orders: number;
  readonly sum: number;
}

/**
 * The last eight digits of an id as a number; random in every kind of id we make. A sum of two
 * million stays exact.
 */
export function digestOf(orderId: string): number {
  return Number.parseInt(orderId.slice(-8), 16);
}

/** What is known of one item's shoppers when everyone has their answer. */
export interface ItemTally {
  /** By the final state told; only orders that were accepted. */
  readonly told: Map<string, OrderSet>;
  /** When the last winner's purchase left. */
  lastWinnerSentMs: number;
  /** When the first of those who got nothing had their answer to pressing Buy. */
  firstLoserAnsweredMs: number;
  /** When the last of those who were in line and got nothing had their final answer. */
  lastLoserSettledMs: number;
}

/** How a rush went, added up as it goes: a million shoppers take no more memory than a thousand. */
export class Tally {
  readonly outcomes = new Map<string, number>();
  readonly items: ItemTally[];
  /** From pressing Buy to the first and to the final answer, in microseconds. */
  readonly firstAnswer: RecordableHistogram = createHistogram();
  readonly finalAnswer: RecordableHistogram = createHistogram();
  readonly timeline = new Timeline();
  lastAcceptMs = 0;
  /** When everybody had been answered once. */
  lastFirstAnswerMs = 0;

  constructor(itemCount: number) {
    this.items = Array.from({ length: itemCount }, () => ({
      told: new Map(),
      lastWinnerSentMs: Number.NEGATIVE_INFINITY,
      firstLoserAnsweredMs: Number.POSITIVE_INFINITY,
      lastLoserSettledMs: 0,
    }));
  }

  noteAccepted(answeredMs: number): void {
    this.lastAcceptMs = Math.max(this.lastAcceptMs, answeredMs);
    this.timeline.count("accepted", answeredMs);
  }

  note(fare: Fare): void {
    const { outcome, orderId } = fare;
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    this.timeline.count(outcome, fare.settledMs);
    this.lastFirstAnswerMs = Math.max(this.lastFirstAnswerMs, fare.answeredMs);
    record(this.firstAnswer, fare.answeredMs - fare.pressedMs);
    record(this.finalAnswer, fare.settledMs - fare.pressedMs);
    const item = this.items[fare.item] as ItemTally;
    if (orderId !== null) {
      const { orders, sum } = item.told.get(outcome) ?? { orders: 0, sum: 0 };
      item.told.set(outcome, { orders: orders + 1, sum: sum + digestOf(orderId) });
    }
    if (outcome === "confirmed") item.lastWinnerSentMs = Math.max(item.lastWinnerSentMs, fare.sentMs);
    if (outcome === "out_of_stock") {
      item.firstLoserAnsweredMs = Math.min(item.firstLoserAnsweredMs, fare.answeredMs);
      if (orderId !== null) item.lastLoserSettledMs = Math.max(item.lastLoserSettledMs, fare.settledMs);
    }
  }

  /** How many have their final answer. */
  get finished(): number {
    return this.finalAnswer.count;
  }
}

function record(histogram: RecordableHistogram, ms: number): void {
  histogram.record(Math.max(1, Math.round(ms * 1_000)));
}

const maxBuckets = 400; // points of a plot; past that two become one

/** Counts of things over time, in buckets that grow wider as the time grows long. */
class Timeline {
  #bucketMs = 100;
  readonly #counts = new Map<string, number[]>();

  count(series: string, atMs: number): void {
    while (atMs / this.#bucketMs >= maxBuckets) this.#widen();
    const counts = this.#counts.get(series) ?? [];
    const bucket = Math.max(0, Math.floor(atMs / this.#bucketMs));
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    this.#counts.set(series, counts);
  }

  toJSON(): { bucketMs: number; series: Record<string, number[]> } {
    const series = Object.fromEntries(
      [...this.#counts].map(([name, counts]) => [name, Array.from(counts, (n) => n ?? 0)]),
    );
    return { bucketMs: this.#bucketMs, series };
  }

  #widen(): void {
    this.#bucketMs *= 2;
    for (const [name, counts] of this.#counts) {
      const pairs = Array.from({ length: Math.ceil(counts.length / 2) }, (_, i) => {
        return (counts[2 * i] ?? 0) + (counts[2 * i + 1] ?? 0);
      });
      this.#counts.set(name, pairs);
    }
  }
}
