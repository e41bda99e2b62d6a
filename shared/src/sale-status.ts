import { type Item, saleWindow } from "./item.ts";

export type SaleStatus = "scheduled" | "available" | "out_of_stock" | "ended";

/** Where the sale of an item stands at a moment. */
export function saleStatus(item: Item, nowMs: number): SaleStatus {
  switch (saleWindow(item, nowMs)) {
    case "before":
      return "scheduled";
    case "after":
      return "ended";
    case "open":
      return item.inventory > 0 ? "available" : "out_of_stock";
  }
}
