import { showOrder } from "@holdfast/shared/order.ts";
import { Type } from "typebox";
import type { App } from "../app.ts";
import { type ChangeParts, cancelOrder, payWithAnotherCard } from "../change-order.ts";
import { admitShopper, type Limits } from "../limits.ts";
import { isOrderId } from "../order-id.ts";
import { Problem } from "../problems.ts";
import { keyHeaders, orderBody, paymentBody, refusals } from "../schemas.ts";
import type { IdentifyShopper } from "../shopper.ts";

const orderParams = Type.Object({ id: Type.String() });
const security = [{ shopper: [] }];

/** `POST /orders/:id/payment` and `DELETE /orders/:id`: what a shopper can do about an order. */
export function orderChangeRoutes(app: App, parts: ChangeParts, identify: IdentifyShopper, limits: Limits): void {
  const onRequest = admitShopper(limits, identify);

  app.post(
    "/orders/:id/payment",
    {
      schema: {
        summary: "Pay with another card while the hold lasts, after a decline or instead of the bank's question",
        tags: ["shopper"],
        security,
        params: orderParams,
        headers: keyHeaders,
        body: paymentBody,
        response: { 202: orderBody, ...refusals(400, 401, 404, 409, 413, 415, 422, 429, 503) },
      },
      onRequest,
    },
    async (request, reply) => {
      const { id } = request.params;
      requireOrderId(id);
      const order = await payWithAnotherCard(
        parts,
        request.shopperId,
        id,
        request.body.paymentMethod,
        request.headers["idempotency-key"] ?? null,
      );
      return reply.code(202).header("location", `/orders/${id}`).header("retry-after", 1).send(showOrder(order, null));
    },
  );

  app.delete(
    "/orders/:id",
    {
      schema: {
        summary: "Cancel an order that is in line, or held and unpaid",
        tags: ["shopper"],
        security,
        params: orderParams,
        response: { 200: orderBody, ...refusals(400, 401, 404, 409, 413, 415, 429, 503) },
      },
      onRequest,
    },
    async (request) => {
      const { id } = request.params;
      requireOrderId(id);
      return showOrder(await cancelOrder(parts, request.shopperId, id), null);
    },
  );
}

function requireOrderId(id: string): void {
  if (!isOrderId(id)) throw new Problem("order_not_found", "You have no order with this id.");
}
