import type { OrderReason } from "@holdfast/shared/order.ts";

/** Something that happened to an order, as Postgres has it. */
export interface OrderEvent {
  readonly event: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

/**
 * An order's events in plain English, as somebody at the telephone reads them to a customer: what
 * happened, and never a word of how the system is made.
 * @param money an amount in the currency's minor unit, as text
 */
export function tellEvent({ event, detail }: OrderEvent, money: (minor: number) => string): string {
  const sentence = sentences[event];
  // An event of a newer version: better its own name than nothing.
  return sentence ? sentence(detail, money) : `${event.replaceAll("_", " ")}.`;
}

type Sentence = (detail: OrderEvent["detail"], money: (minor: number) => string) => string;

const reasons: Readonly<Record<OrderReason, string>> = {
  limit_exceeded: "the limit per customer was reached",
  sale_not_open: "the sale was not open",
  item_not_found: "there is no such item",
  payment_failed: "the payment failed",
  hold_expired: "it was not paid in time",
  by_shopper: "the customer cancelled it",
};

const reasonIn = ({ reason, why }: OrderEvent["detail"]) =>
  why === "its purchase job was gone"
    ? "it was lost in line by a fault of ours; nothing was charged"
    : (reasons[String(reason) as OrderReason] ?? "of a fault of ours; nothing was charged");

/** Of the bank or the provider; only where there is one. */
const codeIn = ({ declineCode }: OrderEvent["detail"]) => (typeof declineCode === "string" ? ` (${declineCode})` : "");

const sentences: Readonly<Record<string, Sentence>> = {
  reserved: (detail, money) => `Units were reserved, for ${money(Number(detail.amount))}.`,
  out_of_stock: () => "It was out of stock when it was the order's turn.",
  rejected: (detail) => `The order was refused: ${reasonIn(detail)}.`,
  cancelled: (detail) => `The order was cancelled: ${reasonIn(detail)}${codeIn(detail)}.`,
  charge_started: (detail) =>
    Number(detail.attempt) > 1 ? "The payment was sent to the bank once more." : "The payment was sent to the bank.",
  card_changed: () => "The customer gave another card.",
  key_replaced: () => "The payment had no effect at the bank, so it was sent anew; nothing was charged twice.",
  payment_pending: () => "The payment is under way.",
  payment_requires_action: () => "The bank asked the customer to confirm the payment.",
  payment_processing: () => "The bank is processing the payment.",
  payment_declined: (detail) => `The card was declined${codeIn(detail)}; another one may be tried.`,
  payment_unknown: () => "The bank did not answer whether the payment was made; we ask again until it does.",
  confirmed: (detail, money) => `The order was paid and confirmed: ${money(Number(detail.amount))}.`,
  refund_requested: (detail) =>
    `We asked the bank for the refund${typeof detail.reason === "string" ? `: ${detail.reason}` : ""}.`,
  refund_refused: (detail) => `The refund could not be made: ${String(detail.why)}.`,
  refunded: (detail, money) => `The money was refunded: ${money(Number(detail.refunded))}.`,
  partly_refunded: (detail, money) => `A part of the money was refunded, ${money(Number(detail.refunded))} in all.`,
  refund_failed: () => "A refund failed at the bank, and the money came back to us.",
  disputed: () => "The customer's bank has disputed the payment.",
  unmatched_refunded: () => "A payment that came too late for this order was refunded.",
  unmatched_disputed: () => "The bank has taken back a payment that came too late for this order.",
};

/** The events that have a sentence. */
export const toldEvents: readonly string[] = Object.keys(sentences);
