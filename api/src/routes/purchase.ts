import { type Item, saleStatus } from "@holdfast/shared/item.ts";
import { showOrder } from "@holdfast/shared/order.ts";
import type { PurchaseRequest } from "@holdfast/shared/purchase-job.ts";
import { Type } from "typebox";
import type { AcceptOrder } from "../accept-orders.ts";
import type { App } from "../app.ts";
import type { ItemCatalog } from "../item-catalog.ts";
import type { Limits } from "../limits.ts";
import { newOrderId, orderIdForKey, requestFingerprint } from "../order-id.ts";
import type { ReadLine } from "../order-reader.ts";
import { Problem } from "../problems.ts";
import { maxAmountMinor, orderBody, purchaseBody, purchaseHeaders, refusals } from "../schemas.ts";
import type { IdentifyShopper } from "../shopper.ts";

export interface PurchaseParts {
  readonly items: ItemCatalog;
  readonly accept: AcceptOrder;
  readonly readLine: ReadLine;
  readonly identify: IdentifyShopper;
  readonly limits: Limits;
}

/** `POST /purchase/:itemId`: checks what can be checked without a queue, then puts the order in line. */
export function purchaseRoute(app: App, parts: PurchaseParts): void {
  const { items, accept, readLine, identify, limits } = parts;
  app.post(
    "/purchase/:itemId",
    {
      schema: {
        summary: "Buy units of an item",
        tags: ["shopper"],
        security: [{ shopper: [] }],
        params: Type.Object({ itemId: Type.String() }),
        headers: purchaseHeaders,
        body: purchaseBody,
        response: { 202: orderBody, ...refusals(400, 401, 404, 409, 413, 415, 422, 429, 503) },
      },
      onRequest: [
        limits.perAddress,
        async (request) => {
          request.shopperId = await identify(request);
        },
        limits.perShopper,
      ],
    },
    async (request, reply) => {
      const placedAtMs = Date.now();
      const item = await items.find(request.params.itemId);
      refuseUnsellable(item, placedAtMs);
      const key = request.headers["idempotency-key"];
      const order = await accept(item.id, newRequest(item, request.shopperId, request.body, key, placedAtMs));
      const line = order.status === "queued" ? await readLine(order) : null;
      return reply
        .code(202)
        .header("location", `/orders/${order.id}`)
        .header("retry-after", 1)
        .send(showOrder(order, line));
    },
  );
}

function refuseUnsellable(item: Item | null, nowMs: number): asserts item is Item {
  if (item === null) throw new Problem("item_not_found", "There is no item with this id.");
  switch (saleStatus(item, nowMs)) {
    case "scheduled":
      throw new Problem("sale_not_open", `The sale opens at ${new Date(item.opensAtMs ?? 0).toISOString()}.`);
    case "ended":
      throw new Problem("sale_ended", "The sale is over.");
    case "out_of_stock":
      throw new Problem(
        "out_of_stock",
        "All units are sold or held for others. A unit may come back if a payment fails.",
      );
    case "available":
      return;
  }
}

function newRequest(
  item: Item,
  shopperId: string,
  body: { quantity?: number; paymentMethod: string },
  idempotencyKey: string | undefined,
  placedAtMs: number,
): PurchaseRequest {
  const { quantity = 1, paymentMethod } = body;
  const amountMinor = item.priceMinor * quantity;
  if (amountMinor > maxAmountMinor) {
    const message = "times the price is more than one payment can take";
    throw new Problem("invalid_request", `body/quantity ${message}`, { fields: [{ field: "body/quantity", message }] });
  }
  const keyed = idempotencyKey !== undefined;
  return {
    orderId: keyed ? orderIdForKey(shopperId, idempotencyKey) : newOrderId(placedAtMs),
    shopperId,
    quantity,
    amountMinor,
    currency: item.currency,
    paymentMethod,
    placedAtMs,
    fingerprint: keyed ? requestFingerprint(item.id, quantity, paymentMethod) : null,
  };
}
