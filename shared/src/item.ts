/** An item on sale, as Postgres holds it and as the API keeps it in mind. */
export interface Item {
  readonly id: string;
  readonly name: string;
  /** Per unit, in the currency's minor unit. */
  readonly priceMinor: number;
  readonly currency: string;
  /** All units ever placed on sale, less those withdrawn. */
  readonly stocked: number;
  /** Units left to reserve. */
  readonly inventory: number;
  readonly opensAtMs: number | null;
  readonly closesAtMs: number | null;
  readonly holdSeconds: number;
  /** How many more cards may be tried after a decline. */
  readonly paymentRetries: number;
  /** Units one shopper may hold or own; null for no limit. */
  readonly maxPerShopper: number | null;
  /** Whether operations have stopped its sale for now; what is in line or held goes on. */
  readonly paused: boolean;
  /** Counted up by the database at every change: a higher one is newer. */
  readonly version: number;
}

/** Where a moment stands to the time in which an item is sold. */
export function saleWindow({ opensAtMs, closesAtMs }: Pick<Item, "opensAtMs" | "closesAtMs">, atMs: number) {
  if (opensAtMs !== null && atMs < opensAtMs) return "before";
  return closesAtMs !== null && atMs >= closesAtMs ? "after" : "open";
}

/**
 * Whether an item is for trying out a sale: it is in no list, nobody is charged for it under a live
 * key, the shop is not told of it, and all of it can be deleted.
 */
export function isRehearsal(itemId: string): boolean {
  return itemId.startsWith("rehearsal-");
}

/** Ids go into URLs, Redis keys and logs: letters, digits, dot, dash, underscore; at most 64. */
export const itemIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function isItemId(value: string): boolean {
  return itemIdPattern.test(value);
}
