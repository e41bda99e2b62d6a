import type { Unknown } from "./classify-payment.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

/**
 * How long until a payment is looked at again that a look did not settle: each wait twice as long
 * as the one before, up to a bound, and up to a quarter more at random, so that a crowd does not
 * come back as one.
 *
 * Where nothing was answered, the bound is short: an outage may be over at any moment, and then
 * everybody wants to know. Where the provider did answer, more looks would only use up its rate.
 * @param looks how often it was looked at before since something changed
 */
export function lookAgainMs(waitingFor: WaitingFor, looks: number): number {
  const { firstMs, longestMs } = waits[waitingFor];
  const wait = Math.min(firstMs * 2 ** Math.min(looks, 30), longestMs);
  return Math.round(wait * (1 + Math.random() / 4));
}

export type WaitingFor = Unknown["cause"] | "shopper" | "provider" | "refund" | "search";

const waits = {
  no_answer: { firstMs: 500, longestMs: 8 * second },
  refused: { firstMs: 2 * second, longestMs: 12 * second },
  undecided: { firstMs: second, longestMs: minute },
  not_found: { firstMs: 5 * second, longestMs: hour },
  /** For a refund that the provider refuses. */
  refund: { firstMs: 2 * second, longestMs: hour },
  /** For a payment that an attempt may have made, whose answer is lost. */
  search: { firstMs: minute, longestMs: 6 * hour },
  /** For 3-D Secure, which mostly ends with a webhook. */
  shopper: { firstMs: minute, longestMs: 10 * minute },
  /** For a refund or a bank's decision, which takes days and ends with a webhook. */
  provider: { firstMs: 10 * minute, longestMs: 24 * hour },
} as const satisfies Record<WaitingFor, { firstMs: number; longestMs: number }>;
