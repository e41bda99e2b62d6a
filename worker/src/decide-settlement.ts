import type { CancelReason, OrderStatus, PaymentStatus } from "@holdfast/shared/order.ts";
import type { PaymentOutcome } from "./classify-payment.ts";

/** What is known of the order when the provider has spoken. */
export interface OrderAtHand {
  readonly status: OrderStatus;
  readonly paymentStatus: PaymentStatus | null;
  /** The payment the order goes by, where one is known. */
  readonly paymentIntentId: string | null;
  /** Which attempt is under way or was the last. */
  readonly attempt: number;
  /** How many cards the shopper has tried. */
  readonly cards: number;
  /** How many more the item allows after the first. */
  readonly paymentRetries: number;
  readonly holdExpired: boolean;
}

/** What is to be done about it. */
export type Step =
  | { readonly do: "confirm"; readonly paymentIntentId: string }
  | {
      readonly do: "cancel";
      readonly reason: CancelReason;
      readonly paymentIntentId: string | null;
      readonly declineCode: string | null;
      /** Whether nothing can be paid under the order any more. */
      readonly closed: boolean;
    }
  | {
      readonly do: "note";
      readonly paymentStatus: PaymentStatus;
      readonly paymentIntentId: string | null;
      readonly declineCode: string | null;
      /** What was met, where the outcome is unknown. */
      readonly why: string | null;
    }
  | { readonly do: "charge_again" }
  | { readonly do: "refund"; readonly paymentIntentId: string }
  | { readonly do: "close" }
  | { readonly do: "nothing" };

/** What the provider said, and about which attempt it was asked. */
export interface Observation {
  readonly attempt: number;
  readonly outcome: PaymentOutcome;
}

/**
 * What follows from a payment's outcome, for an order in any state. Units are given back only on the provider's definite word; a
 * cancelled order stays cancelled, and money that comes for it later is refunded.
 * @param ending why the hold is being given up, where it is
 */
export function decideSettlement(
  order: OrderAtHand,
  { attempt, outcome }: Observation,
  ending: "hold_expired" | "by_shopper" | null,
): Step {
  switch (order.status) {
    case "reserved":
      // Old news of an earlier attempt says nothing of the one under way, unless the payment as a whole is over.
      if (attempt !== order.attempt && outcome.kind !== "paid" && outcome.kind !== "canceled") return { do: "nothing" };
      return settleHeld(order, outcome, ending);
    case "cancelled":
      return settleCancelled(outcome);
    case "confirmed":
    case "queued":
    case "waitlisted":
    case "out_of_stock":
    case "rejected":
      return { do: "nothing" };
  }
}

function settleHeld(order: OrderAtHand, outcome: PaymentOutcome, ending: CancelReason | null): Step {
  const note = (
    paymentStatus: PaymentStatus,
    paymentIntentId: string | null,
    declineCode: string | null = null,
  ): Extract<Step, { do: "note" }> => ({
    do: "note",
    why: null,
    paymentStatus,
    paymentIntentId,
    declineCode,
  });
  switch (outcome.kind) {
    case "paid":
      return { do: "confirm", paymentIntentId: outcome.paymentIntentId };
    case "declined": {
      const { declineCode } = outcome;
      const paymentIntentId = outcome.paymentIntentId ?? order.paymentIntentId;
      const anotherCard = order.cards <= order.paymentRetries && !order.holdExpired && ending === null;
      if (anotherCard) return note("declined", paymentIntentId, declineCode);
      return { do: "cancel", reason: "payment_failed", paymentIntentId, declineCode, closed: paymentIntentId === null };
    }
    case "needs_shopper":
      return note("requires_action", outcome.paymentIntentId);
    case "processing":
      return note("processing", outcome.paymentIntentId);
    case "canceled": {
      const reason = ending ?? (order.holdExpired ? "hold_expired" : "payment_failed");
      return { do: "cancel", reason, paymentIntentId: outcome.paymentIntentId, declineCode: null, closed: true };
    }
    case "never_made":
      // With the hold given up there is nothing left to call off; otherwise the attempt gets a new key.
      if (ending === null && !order.holdExpired) return { do: "charge_again" };
      return {
        do: "cancel",
        reason: ending ?? "hold_expired",
        paymentIntentId: order.paymentIntentId,
        declineCode: null,
        closed: order.paymentIntentId === null,
      };
    case "unknown":
      // Where the provider has spoken before, its silence now changes nothing.
      if (order.paymentStatus !== "pending" && order.paymentStatus !== "unknown") return { do: "nothing" };
      return { ...note("unknown", null), why: outcome.why };
  }
}

function settleCancelled(outcome: PaymentOutcome): Step {
  switch (outcome.kind) {
    case "paid":
      return { do: "refund", paymentIntentId: outcome.paymentIntentId };
    case "canceled":
    case "never_made":
      return { do: "close" };
    case "declined":
    case "needs_shopper":
    case "processing":
    case "unknown":
      return { do: "nothing" }; // still open at the provider: the sweeper has it called off
  }
}
