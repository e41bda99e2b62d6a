import { setTimeout as sleep } from "node:timers/promises";
import type Stripe from "stripe";
import { classifyError, classifyIntent, isRefusalOfUs, type PaymentOutcome } from "./classify-payment.ts";

/** All payments of an order that the provider knows; `complete` where there can be no others. */
export interface Found {
  readonly payments: readonly Exclude<PaymentOutcome, { kind: "never_made" }>[];
  readonly complete: boolean;
  /** In how many ms another search would be complete; null where it is, or nobody can tell. */
  readonly completeInMs: number | null;
  /** What stood in the way of the search, where something did. */
  readonly failure: PaymentOutcome | null;
}

const searchSettledMs = 90_000; // Stripe's search shows a payment within a minute: https://docs.stripe.com/search#data-freshness
const listSettledMs = 10_000; // the list shows it at once, as far as is known; a lag of this much does no harm
const clockDriftMs = 10_000; // how far our clocks and the provider's may be apart; past it a payment is found by the search alone
const pagesPerLook = 25; // 2,500 payments around the time in question; where more were made, the search has to do
const pagesWithoutSearch = 50; // for an account that cannot search
const pageTries = 3;
const pagePauseMs = 200;

/**
 * Finds an order's payments by their metadata: with the provider's search, which is a single
 * request, and in its list, which shows the young ones too, in slices of time that grow from the
 * moment the attempt was first sent. That something was found says nothing of what else there is:
 * only time and a whole list do.
 * @param sent how long ago the attempt in question was first and last sent, in ms
 */
export async function findPayments(
  stripe: Stripe,
  orderId: string,
  sent: { readonly firstMsAgo: number; readonly lastMsAgo: number },
): Promise<Found> {
  try {
    const searched = await search(stripe, orderId);
    const pages = searched === null ? pagesWithoutSearch : pagesPerLook;
    const listed = await readList(stripe, orderId, sent.firstMsAgo, pages);
    const byList = listed.all ? listSettledMs - sent.lastMsAgo : Number.POSITIVE_INFINITY;
    const bySearch = searched === null ? Number.POSITIVE_INFINITY : searchSettledMs - sent.lastMsAgo;
    return found([...(searched ?? []), ...listed.intents], Math.min(byList, bySearch));
  } catch (error) {
    return { payments: [], complete: false, completeInMs: null, failure: classifyError(error, "question") };
  }
}

/** The same by the search alone: for a payment that may be hours old. */
export async function searchPayments(stripe: Stripe, orderId: string): Promise<Found> {
  try {
    const searched = await search(stripe, orderId);
    return found(searched ?? [], searched === null ? Number.POSITIVE_INFINITY : 0);
  } catch (error) {
    return { payments: [], complete: false, completeInMs: null, failure: classifyError(error, "question") };
  }
}

function found(intents: readonly Stripe.PaymentIntent[], completeInMs: number): Found {
  const unique = [...new Map(intents.map((intent) => [intent.id, intent])).values()]; // the later reading counts
  const payments = unique.map(classifyIntent).filter((outcome) => outcome.kind !== "never_made");
  const complete = completeInMs <= 0;
  const known = !complete && Number.isFinite(completeInMs);
  return { payments, complete, completeInMs: known ? completeInMs : null, failure: null };
}

/** Null for an account that cannot search. */
async function search(stripe: Stripe, orderId: string): Promise<Stripe.PaymentIntent[] | null> {
  try {
    const query = `metadata['orderId']:'${orderId}'`; // a UUID has nothing to escape
    const result = await withRetries(() =>
      stripe.paymentIntents.search({ query, limit: 100, expand: ["data.latest_charge.refunds"] }),
    );
    return result.data;
  } catch (error) {
    const wrongKey = (error as { statusCode?: number }).statusCode === 401;
    if (isRefusalOfUs(error) && !wrongKey) return null;
    throw error;
  }
}

async function readList(stripe: Stripe, orderId: string, firstSentMsAgo: number, maxPages: number) {
  const intents: Stripe.PaymentIntent[] = [];
  const nowMs = Date.now();
  const endMs = nowMs + clockDriftMs;
  let pages = 0;
  let sliceMs = 2 * clockDriftMs; // from its sending on: that is where it is, however much was sold since
  for (let fromMs = nowMs - firstSentMsAgo - clockDriftMs; fromMs < endMs; fromMs += sliceMs, sliceMs *= 2) {
    const last = fromMs + sliceMs >= endMs; // open at its end: the provider's clock may be ahead of ours
    const created = { gte: Math.floor(fromMs / 1000), ...(!last && { lt: Math.floor((fromMs + sliceMs) / 1000) }) };
    let starting_after: string | undefined;
    for (let more = true; more; pages++) {
      if (pages === maxPages) return { intents, all: false };
      const query = {
        created,
        limit: 100,
        expand: ["data.latest_charge.refunds"],
        ...(starting_after && { starting_after }),
      };
      const list = await withRetries(() => stripe.paymentIntents.list(query));
      intents.push(...list.data.filter(({ metadata }) => metadata.orderId === orderId));
      starting_after = list.data.at(-1)?.id;
      more = list.has_more;
    }
  }
  return { intents, all: true };
}

/** A search of several pages must not start again for one that failed. */
async function withRetries<T>(read: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await read();
    } catch (error) {
      if (failures === pageTries || isRefusalOfUs(error)) throw error;
      await sleep(pagePauseMs * failures);
    }
  }
}
