import { showOrder } from "@holdfast/shared/show-order.ts";
import { Type } from "typebox";
import { bodyRefusals, cancelledOrder, paidOrder, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import { admitShopper, type Limits } from "../http/limits.ts";
import type { IdentifyShopper } from "../http/shopper.ts";
import { type ChangeParts, cancelOrder, payWithAnotherCard } from "../orders/change-order.ts";
import { isOrderId } from "../orders/order-id.ts";
import { orderReader } from "../orders/order-reader.ts";
import type { ReadStanding } from "../orders/order-standing.ts";
import { orderTag } from "../orders/order-tag.ts";
import { unknownOrderTeller } from "../orders/unknown-order.ts";
import { cardIn, keyHeaders, paymentBody } from "../schemas.ts";

const orderParams = Type.Object({ id: Type.String() });
const security = [{ shopper: [] }];

export interface OrderChangeParts extends ChangeParts {
  readonly readStanding: ReadStanding;
  readonly identify: IdentifyShopper;
  readonly limits: Limits;
}

/** `POST /orders/:id/payment` and `DELETE /orders/:id`: what a shopper can do about an order. */
export function orderChangeRoutes(app: App, { readStanding, identify, limits, ...parts }: OrderChangeParts): void {
  const onRequest = admitShopper(limits, identify);
  const readOrder = orderReader(parts);
  const unknownOrder = unknownOrderTeller(parts);
  /**
   * Looked up together with all who ask meanwhile, so that made-up ids do not cost a transaction
   * each.
   */
  const requireOrder = async (shopperId: string, id: string) => {
    const order = isOrderId(id) ? await readOrder(shopperId, id) : null;
    if (order === null) throw await unknownOrder();
  };

  app.post(
    "/orders/:id/payment",
    {
      schema: {
        operationId: "payWithAnotherCard",
        summary: "Pay with another card while the hold lasts, after a decline or instead of the bank's question",
        tags: ["shopper"],
        security,
        params: orderParams,
        headers: keyHeaders,
        body: paymentBody,
        response: {
          202: paidOrder,
          ...refusals(
            ...bodyRefusals,
            "unauthenticated",
            "order_not_found",
            "payment_not_expected",
            "idempotency_key_reused",
          ),
        },
      },
      onRequest,
    },
    async (request, reply) => {
      const { id } = request.params;
      await requireOrder(request.shopperId, id);
      const order = await payWithAnotherCard(
        parts,
        request.shopperId,
        id,
        cardIn(request.body),
        request.headers["idempotency-key"] ?? null,
      );
      return reply
        .code(202)
        .header("location", `/orders/${id}`)
        .header("etag", orderTag(order))
        .header("retry-after", 1)
        .send(showOrder(order, await readStanding(order)));
    },
  );

  app.delete(
    "/orders/:id",
    {
      schema: {
        operationId: "cancelOrder",
        summary: "Cancel an order that is in line, or held and unpaid",
        tags: ["shopper"],
        security,
        params: orderParams,
        response: {
          200: cancelledOrder,
          ...refusals(...bodyRefusals, "unauthenticated", "order_not_found", "order_settled", "payment_in_progress"),
        },
      },
      onRequest,
    },
    async (request, reply) => {
      const { id } = request.params;
      await requireOrder(request.shopperId, id);
      const order = await cancelOrder(parts, request.shopperId, id);
      reply.header("etag", orderTag(order));
      return showOrder(order, null);
    },
  );
}
