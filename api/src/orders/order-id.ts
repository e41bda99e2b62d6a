import { hash, randomUUID } from "node:crypto";
import { isConfirmationToken } from "@holdfast/shared/card.ts";
import type { Metadata } from "@holdfast/shared/order.ts";

/**
 * A UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random bits, so it cannot be
 * guessed. The random ones are those of a UUIDv4, which has them in the same places, and which Node
 * makes out of entropy it fetches for many at a time.
 */
export function newOrderId(nowMs: number): string {
  const time = nowMs.toString(16).padStart(12, "0");
  const random = randomUUID();
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}

/**
 * The id of the order a shopper places under an Idempotency-Key: the same every time, so that a
 * repeat is the same order by construction. A UUIDv8 (RFC 9562, section 5.8) made of SHA-256; the
 * length keeps ("a", "bc") and ("ab", "c") apart.
 */
export function orderIdForKey(shopperId: string, idempotencyKey: string): string {
  const digest = hash("sha256", `${shopperId.length}:${shopperId}:${idempotencyKey}`, "buffer");
  return formatUuid(digest.subarray(0, 16), 8);
}

/**
 * Tells a repeat under the same key from a reuse of the key for something else. 48 bits do: it is
 * compared per key only.
 */
export function requestFingerprint(itemId: string, quantity: number, card: string, metadata: Metadata | null): string {
  const asked: unknown[] = [itemId, quantity, comparedCard(card)];
  if (metadata !== null) asked.push(Object.entries(metadata).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return hash("sha256", JSON.stringify(asked), "base64url").slice(0, 8);
}

/**
 * A card as a repeat is compared by: a confirmation token is good for one try, so a page that was
 * loaded again comes with another.
 */
export function comparedCard(card: string): string {
  return isConfirmationToken(card) ? "confirmation token" : card;
}

function formatUuid(bytes: Buffer, version: number): string {
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | (version << 4), 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isOrderId(value: string): boolean {
  return uuidPattern.test(value);
}
