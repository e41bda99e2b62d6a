import type { Order } from "@holdfast/shared/order.ts";
import { fieldProblem } from "../http/problems.ts";
import { isOrderId } from "./order-id.ts";

/** The last order of a page: the next page begins behind it. */
export interface Cursor {
  readonly placedAtMs: number;
  readonly orderId: string;
}

const usualLimit = 50;

/** @param text as the schema lets it through; without it, the usual number */
export function pageLimit(text: string | undefined): number {
  return text === undefined ? usualLimit : Number(text);
}

export function writeCursor({ placedAtMs, id }: Pick<Order, "placedAtMs" | "id">): string {
  return `${placedAtMs.toString(36)}.${id}`;
}

/** @throws Problem 400 where it is none of ours */
export function readCursor(text: string | undefined): Cursor | null {
  if (text === undefined) return null;
  const [, time = "", orderId = ""] = /^([0-9a-z]{1,9})\.(.+)$/.exec(text) ?? [];
  const placedAtMs = Number.parseInt(time, 36);
  if (isOrderId(orderId) && placedAtMs <= latestMs) return { placedAtMs, orderId };
  throw fieldProblem("querystring/after", "is not the next of an earlier page");
}

const latestMs = 8.64e15; // https://tc39.es/ecma262/#sec-time-values-and-time-range

/** Newest first; of the same millisecond, by id, as Postgres compares them. */
export function isBehind(order: Pick<Order, "placedAtMs" | "id">, cursor: Cursor): boolean {
  if (order.placedAtMs !== cursor.placedAtMs) return order.placedAtMs < cursor.placedAtMs;
  return order.id < cursor.orderId;
}

export function newestFirst(a: Pick<Order, "placedAtMs" | "id">, b: Pick<Order, "placedAtMs" | "id">): number {
  return b.placedAtMs - a.placedAtMs || (a.id < b.id ? 1 : -1);
}
