import type { Order } from "@holdfast/shared/order.ts";

/**
 * Orders as those see them who placed them. A shopper's order is theirs by its id, which is made of
 * who they are and their Idempotency-Key; that its row names somebody else means that they were
 * forgotten since, and have come again with a key from before. Who they are now waits for it, and
 * is told what became of it.
 */
export function asPlaced(
  orders: readonly Order[],
  placed: readonly { readonly shopperId: string; readonly id: string }[],
): Order[] {
  const shoppers = new Map(placed.map(({ id, shopperId }) => [id, shopperId]));
  return orders.map((order) => {
    const shopperId = shoppers.get(order.id) ?? order.shopperId;
    return shopperId === order.shopperId ? order : { ...order, shopperId };
  });
}
