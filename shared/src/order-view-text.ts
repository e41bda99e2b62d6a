import { invariant } from "./invariant.ts";
import type { Order, OrderReason, OrderStatus, PaymentStatus } from "./order.ts";
import { shortenId } from "./short-id.ts";

/** An order's live view as one line of text, and the argument that scripts take it as. */

const time = (ms: number | null) => ms?.toString(36) ?? "";
const parseTime = (text: string) => Number.parseInt(text, 36);
const orNull = <T>(text: string | undefined, parse: (text: string) => T) =>
  text === undefined || text === "" ? null : parse(text);

// In hexadecimal, which the script that gives out places can write.
const placeText = (place: number | null) => place?.toString(16) ?? "";
const parsePlace = (text: string) => Number.parseInt(text, 16);

export function encodeView(order: Order): string {
  return fieldsOf(order, placeText(order.place));
}

function fieldsOf(order: Order, place: string): string {
  const fields = [
    order.version,
    order.status,
    order.itemId,
    order.quantity,
    order.amountMinor,
    order.currency,
    time(order.placedAtMs),
    place,
    order.fingerprint ?? "",
    order.reason ?? "",
    order.paymentStatus ?? "",
    order.declineCode ?? "",
    time(order.reservedAtMs),
    time(order.settledAtMs),
    time(order.holdExpiresAtMs),
    order.clientSecret ?? "",
  ];
  return fields.join("|").replace(/\|+$/, "");
}

export function decodeView(shopperId: string, orderId: string, text: string): Order {
  const [
    version,
    status,
    itemId,
    quantity,
    amount,
    currency,
    placed,
    place,
    fingerprint,
    reason,
    payment,
    decline,
    ...rest
  ] = text.split("|");
  invariant(itemId !== undefined && placed !== undefined, "a view has at least the fields of a queued order");
  return {
    id: orderId,
    shopperId,
    itemId,
    quantity: Number(quantity),
    amountMinor: Number(amount),
    currency: currency ?? "",
    status: status as OrderStatus,
    reason: orNull(reason, (text) => text as OrderReason),
    paymentStatus: orNull(payment, (text) => text as PaymentStatus),
    declineCode: orNull(decline, String),
    placedAtMs: parseTime(placed),
    reservedAtMs: orNull(rest[0], parseTime),
    settledAtMs: orNull(rest[1], parseTime),
    holdExpiresAtMs: orNull(rest[2], parseTime),
    version: Number(version),
    place: orNull(place, parsePlace),
    fingerprint: orNull(fingerprint, String),
    clientSecret: orNull(rest[3], String),
  };
}

// An order is one argument, its short id and its view, so that a crowd's orders are half as many
// arguments to write and to read.
export const shortIdLength = 22;
/** An order's view as one argument of a script: its short id and its view. */
export const entryOf = (order: Order) => shortenId(order.id) + encodeView(order);

/**
 * Where an order's place goes that is given out only when its view is written; it is in no other
 * field.
 */
export const placeMark = "@";

/**
 * A queued order without a place, as one argument of a script that gives it one: its short id and
 * its view.
 */
export function viewEntry(order: Order): string {
  return shortenId(order.id) + fieldsOf(order, placeMark);
}
