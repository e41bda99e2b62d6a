/**
 * An event of the payment provider, as far as we care: which payment to ask about. Nothing of the
 * payment itself is kept.
 */
export interface WebhookJob {
  /** Not written as long as it is the first. */
  readonly format?: number;
  readonly eventId: string;
  readonly type: string;
  readonly paymentIntentId: string | null;
  /** The order's id from the payment's metadata, where there is one. */
  readonly orderId: string | null;
  /** The traceparent of the request that brought it, where there is tracing. */
  readonly trace?: string;
}

export const webhookJobFormat = 1;
