import { invariant } from "./invariant.ts";
import type { Order } from "./order.ts";
import { shortenId } from "./short-id.ts";

/** An order's live view as one line of text, and the argument that scripts take it as. */

interface Field {
  readonly name: keyof Order;
  readonly write: (value: never) => string;
  readonly read: (text: string) => unknown;
}

const text = { write: (value: string) => value, read: (text: string) => text };
const number = { write: String, read: Number };
const time = { write: (ms: number) => ms.toString(36), read: (text: string) => Number.parseInt(text, 36) };
// JSON has no control characters: one of them stands for the separator.
const separator = "|";
const escaped = "\u0001";
const json = {
  write: (value: object) => JSON.stringify(value).replaceAll(separator, escaped),
  read: (text: string) => JSON.parse(text.replaceAll(escaped, separator)) as unknown,
};
// In hexadecimal, which the script that gives out places can write.
const place = { write: (value: number) => value.toString(16), read: (text: string) => Number.parseInt(text, 16) };

/**
 * The fields of a view in their order, for both directions. The scripts in order-view.ts know the
 * first, second, seventh and sixteenth by their number.
 *
 * This is the first format. While a new release is rolled out, processes of both read each other's
 * views: a field may be added at the end, where an older reader leaves it alone. A format that an
 * older reader must not take for this one has a letter behind the first field's digits; whoever does
 * not know the letter reads the order in Postgres.
 */
const fields: readonly Field[] = [
  { name: "version", ...number },
  { name: "status", ...text },
  { name: "itemId", ...text },
  { name: "quantity", ...number },
  { name: "amountMinor", ...number },
  { name: "currency", ...text },
  { name: "placedAtMs", ...time },
  { name: "place", ...place },
  { name: "fingerprint", ...text },
  { name: "reason", ...text },
  { name: "paymentStatus", ...text },
  { name: "declineCode", ...text },
  { name: "reservedAtMs", ...time },
  { name: "settledAtMs", ...time },
  { name: "holdExpiresAtMs", ...time },
  { name: "clientSecret", ...text },
  { name: "metadata", ...json },
];
const fieldsOfQueuedOrder = 7; // at least

/** @param placeText instead of the order's own place */
function writeFields(order: Order, placeText?: string): string {
  const texts = fields.map(({ name, write }) => {
    if (name === "place" && placeText !== undefined) return placeText;
    const value = order[name];
    return value === null ? "" : write(value as never);
  });
  return texts.join(separator).replace(/\|+$/, "");
}

export function encodeView(order: Order): string {
  return writeFields(order);
}

/** @returns null where it is of a later release's format */
export function decodeView(shopperId: string, orderId: string, view: string): Order | null {
  const texts = view.split(separator);
  if (/^\d+[a-z]$/.test(texts[0] ?? "")) return null;
  invariant(texts.length >= fieldsOfQueuedOrder, "a view has at least the fields of a queued order");
  const order: Record<string, unknown> = { id: orderId, shopperId };
  fields.forEach(({ name, read }, i) => {
    const value = texts[i];
    order[name] = value === undefined || value === "" ? null : read(value);
  });
  return order as unknown as Order;
}

// An order is one argument, its short id and its view, so that a crowd's orders are half as many
// arguments to write and to read.
export const shortIdLength = 22;
/** An order's view as one argument of a script: its short id and its view. */
export const entryOf = (order: Order) => shortenId(order.id) + encodeView(order);

/**
 * Where an order's place goes that is given out only when its view is written; it is in no field
 * before it.
 */
export const placeMark = "@";

/**
 * A queued order without a place, as one argument of a script that gives it one: its short id and
 * its view.
 */
export function viewEntry(order: Order): string {
  return shortenId(order.id) + writeFields(order, placeMark);
}
