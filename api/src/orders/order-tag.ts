import type { Order } from "@holdfast/shared/order.ts";

/**
 * An order's `ETag`: its version. Where the live view alone has what the bank's question needs, a
 * client without it has something else.
 */
export function orderTag({ version, clientSecret }: Order): string {
  return clientSecret === null ? `"${version}"` : `"${version}+"`;
}
