import { saleWindow } from "@holdfast/shared/item.ts";
import type { PurchaseRequest } from "@holdfast/shared/purchase-job.ts";

/** What an item can give at the moment its row is locked. */
export interface Supply {
  readonly inventory: number;
  readonly opensAtMs: number | null;
  readonly closesAtMs: number | null;
  readonly maxPerShopper: number | null;
  /** Units each shopper holds or owns already; absent means none. */
  readonly unitsOfShopper: ReadonlyMap<string, number>;
}

export type Decision =
  | { readonly request: PurchaseRequest; readonly status: "reserved"; readonly reason: null }
  | { readonly request: PurchaseRequest; readonly status: "out_of_stock"; readonly reason: null }
  | {
      readonly request: PurchaseRequest;
      readonly status: "rejected";
      readonly reason: "limit_exceeded" | "sale_not_open" | "item_not_found";
    };

/**
 * Decides a batch of orders for one item, first come first served: each in its turn gets all of its
 * units or none. Whoever asks for more than is left is refused, and a smaller order behind may
 * still be served.
 * @param supply what the item can give; null where there is no such item
 */
export function allocate(supply: Supply | null, requests: readonly PurchaseRequest[]): Decision[] {
  if (supply === null) return requests.map((request) => ({ request, status: "rejected", reason: "item_not_found" }));
  const unitsOfShopper = new Map(supply.unitsOfShopper);
  let left = supply.inventory;
  return requests.map((request): Decision => {
    const units = (unitsOfShopper.get(request.shopperId) ?? 0) + request.quantity;
    // Whoever pressed Buy while the sale was on is in time, however long the line was.
    if (saleWindow(supply, request.placedAtMs) !== "open")
      return { request, status: "rejected", reason: "sale_not_open" };
    if (supply.maxPerShopper !== null && units > supply.maxPerShopper) {
      return { request, status: "rejected", reason: "limit_exceeded" };
    }
    if (request.quantity > left) return { request, status: "out_of_stock", reason: null };
    left -= request.quantity;
    unitsOfShopper.set(request.shopperId, units);
    return { request, status: "reserved", reason: null };
  });
}
