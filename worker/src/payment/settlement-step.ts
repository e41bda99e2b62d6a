import type { PaymentStatus } from "@holdfast/shared/order.ts";
import type { Unknown } from "./classify-payment.ts";
import type { ReleaseReason } from "./read-payment.ts";

/** What is to be done about an order when the provider has spoken. */
export type Step =
  | {
      readonly do: "confirm";
      readonly paymentIntentId: string;
      /** The payment that the order had before, which is not its own any more. */
      readonly other: string | null;
      /**
       * Whether some of it may have been refunded or disputed before we saw it: that is looked at
       * next.
       */
      readonly checkRefunds: boolean;
      /**
       * Whether another attempt is under way, which may have made a payment: it is searched for.
       */
      readonly search: boolean;
    }
  | {
      readonly do: "cancel";
      readonly reason: ReleaseReason | "payment_failed";
      readonly paymentIntentId: string | null;
      readonly declineCode: string | null;
      /**
       * Whether the payment waits for another card still: it is to be canceled, so that nobody pays
       * for units that are gone.
       */
      readonly open: boolean;
      /**
       * Whether the attempt may have made a payment that nobody knows of: it is to be searched for.
       */
      readonly search: boolean;
    }
  /** The hold goes on. */
  | {
      readonly do: "note";
      readonly paymentStatus: PaymentStatus;
      readonly paymentIntentId: string | null;
      readonly declineCode: string | null;
      /** What was met, where the outcome is unknown. */
      readonly unknown: Unknown | null;
      /** Whether the card could not even be tried: it counts for none. */
      readonly untried: boolean;
    }
  /**
   * The attempt is sent again under another key, and the payment it may have made is searched for,
   * where one could be.
   */
  | { readonly do: "replace_key"; readonly search: boolean }
  /** A payment that the order does not go by: it is to be asked about, canceled or refunded. */
  | { readonly do: "unmatch"; readonly paymentIntentId: string; readonly nextStep: "ask" | "cancel" | "refund" }
  /** Nothing can come of a payment any more that the order does not go by. */
  | { readonly do: "close"; readonly paymentIntentId: string; readonly outcome: "canceled" | "refunded" }
  /** Money of a paid order went back, or is disputed. */
  | {
      readonly do: "note_refund";
      readonly full: boolean;
      readonly refundedMinor: number;
      readonly disputed: boolean;
      readonly pending: boolean;
    }
  /** The answer could not show what matters: the order is looked at again now. */
  | { readonly do: "look_again" }
  /** It changes nothing. Where the answer was none, it is asked again later. */
  | { readonly do: "wait"; readonly unknown: Unknown | null };
