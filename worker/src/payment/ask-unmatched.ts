import type Stripe from "stripe";
import { cancelPayment } from "./cancel-payment.ts";
import { retrievePayment } from "./check-payment.ts";
import type { PaymentOutcome } from "./classify-payment.ts";
import { searchPayments } from "./find-payment.ts";
import type { UnmatchedPayment } from "./read-payment.ts";
import { type RefundOutcome, refundPayment } from "./refund-payment.ts";

/** What is known of an unmatched payment after a step was done about it. */
export type UnmatchedAnswer =
  | { readonly step: "ask" | "cancel"; readonly outcome: PaymentOutcome }
  | { readonly step: "refund"; readonly outcome: RefundOutcome }
  | {
      readonly step: "search";
      readonly found: readonly string[];
      readonly over: boolean;
      readonly failure: PaymentOutcome | null;
    };

const searchedForMs = 25 * 3_600_000; // by then every key is forgotten and every list complete: what is not there was never made

/**
 * Does the next step about a payment that its order does not go by. It may be done any number of
 * times.
 */
export async function askAboutUnmatched(
  stripe: Stripe,
  orderId: string,
  { id, nextStep, paymentIntentId, sentMsAgo, looks }: UnmatchedPayment,
): Promise<UnmatchedAnswer> {
  if (nextStep === "search" || paymentIntentId === null) {
    const age = sentMsAgo ?? 0;
    const { payments, complete, failure } = await searchPayments(stripe, orderId);
    const found = payments.flatMap(({ paymentIntentId: id }) => (id === null ? [] : [id]));
    const cannotSearch = !complete && failure === null;
    return { step: "search", found, over: (complete || cannotSearch) && age >= searchedForMs, failure };
  }
  switch (nextStep) {
    case "ask":
      return { step: "ask", outcome: await retrievePayment(stripe, paymentIntentId) };
    case "cancel":
      return { step: "cancel", outcome: await cancelPayment(stripe, orderId, paymentIntentId) };
    case "refund":
      return {
        step: "refund",
        outcome: await refundPayment(stripe, orderId, paymentIntentId, `${paymentIntentId}-refund-${id}-${looks}`),
      };
  }
}
