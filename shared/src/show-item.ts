import type { Item } from "./item.ts";
import { type SaleStatus, saleStatus } from "./sale-status.ts";

export interface ShownItem {
  id: string;
  name: string;
  price: number;
  currency: string;
  available: number;
  status: SaleStatus;
  opensAt: string | null;
  closesAt: string | null;
}

/** The item as `GET /items/:itemId` shows it. */
export function showItem(item: Item, nowMs: number): ShownItem {
  return {
    id: item.id,
    name: item.name,
    price: item.priceMinor,
    currency: item.currency,
    available: item.inventory,
    status: saleStatus(item, nowMs),
    opensAt: item.opensAtMs === null ? null : new Date(item.opensAtMs).toISOString(),
    closesAt: item.closesAtMs === null ? null : new Date(item.closesAtMs).toISOString(),
  };
}
