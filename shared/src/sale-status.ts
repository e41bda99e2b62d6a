import { type Item, saleWindow } from "./item.ts";

/** Where the sale of an item stands at a moment: the first of these that fits. */
export const saleStatuses = ["ended", "scheduled", "paused", "out_of_stock", "available"] as const;
export type SaleStatus = (typeof saleStatuses)[number];

export function saleStatus(
  item: Pick<Item, "inventory" | "opensAtMs" | "closesAtMs" | "paused">,
  nowMs: number,
): SaleStatus {
  switch (saleWindow(item, nowMs)) {
    case "before":
      return "scheduled";
    case "after":
      return "ended";
    case "open":
      if (item.paused) return "paused";
      return item.inventory > 0 ? "available" : "out_of_stock";
  }
}
