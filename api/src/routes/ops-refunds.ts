import { chargeQueueEntry } from "@holdfast/shared/charge-job.ts";
import { orderStatuses } from "@holdfast/shared/order.ts";
import type { ChargeQueue } from "@holdfast/shared/queues.ts";
import { Type } from "typebox";
import { bodyRefusals, described, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import { Problem } from "../http/problems.ts";
import { refundShape } from "../ops/ops-order-schemas.ts";
import { type OpsParts, opsActRefusals, opsSecurity as security } from "../ops/ops-parts.ts";
import { recheckHeldUp, recheckOrder, requestRefund } from "../ops/refund-order.ts";
import { showRefund } from "../ops/show-ops-order.ts";
import { isOrderId } from "../orders/order-id.ts";
import { nullable } from "../schemas.ts";

const tags = ["operations"];
const params = Type.Object({ id: Type.String() });
const status = Type.String({ enum: [...orderStatuses] });

const refundRequest = Type.Object(
  {
    returnUnits: Type.Boolean({ description: "whether its units are on sale again afterwards" }),
    reason: Type.Optional(Type.String({ minLength: 1, maxLength: 500, pattern: "^[^\\p{Cc}\\p{Cs}]*$" })),
  },
  { title: "RefundRequest", additionalProperties: false },
);
const askedRefund = Type.Object({ id: Type.String(), status, refund: nullable(refundShape) }, { title: "AskedRefund" });
const rechecked = Type.Object({ id: Type.String(), status }, { title: "Rechecked" });
const allRechecked = Type.Object({ orders: Type.Integer() }, { title: "AllRechecked" });

/** What operations do about the money of an order. */
export function opsRefundRoutes(app: App, parts: OpsParts): void {
  refundRoute(app, parts);
  recheckRoutes(app, parts);
}

function refundRoute(app: App, { db, charges }: OpsParts): void {
  app.post(
    "/api/orders/:id/refund",
    {
      schema: {
        operationId: "refundOrder",
        summary: "Refund an order, the whole amount; once, however often it is asked for",
        tags,
        security,
        params,
        body: refundRequest,
        response: {
          202: described(askedRefund, "it is asked for; the order becomes refunded when the provider has done it"),
          ...refusals(...opsActRefusals, ...bodyRefusals, "order_not_found", "order_not_refundable"),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { returnUnits, reason = null } = request.body;
      if (!isOrderId(id)) throw noSuchOrder();
      const answer = await requestRefund(db, request.operator, id, { returnUnits, reason });
      switch (answer.kind) {
        case "not_found":
          throw noSuchOrder();
        case "not_refundable":
          throw new Problem("order_not_refundable", answer.why);
        case "requested":
          await lookNow(charges, [id]);
          return reply
            .code(202)
            .send({ id, status: answer.status, refund: answer.refund && showRefund(answer.refund) });
      }
    },
  );
}

function recheckRoutes(app: App, { db, charges }: OpsParts): void {
  app.post(
    "/api/orders/:id/recheck",
    {
      schema: {
        operationId: "recheckOrder",
        summary: "Ask the provider now what became of an order's payment",
        tags,
        security,
        params,
        response: {
          202: described(rechecked, "it is asked"),
          ...refusals(...opsActRefusals, ...bodyRefusals, "order_not_found"),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const found = isOrderId(id) ? await recheckOrder(db, request.operator, id) : null;
      if (found === null) throw noSuchOrder();
      await lookNow(charges, [id]);
      return reply.code(202).send({ id, status: found });
    },
  );
  app.post(
    "/api/payments/recheck",
    {
      schema: {
        operationId: "recheckPayments",
        summary: "Ask the provider now about all payments and refunds that are held up",
        tags,
        security,
        response: {
          202: described(allRechecked, "of how many orders it is asked"),
          ...refusals(...opsActRefusals, ...bodyRefusals),
        },
      },
    },
    async (request, reply) => {
      const ids = await recheckHeldUp(db, request.operator);
      await lookNow(charges, ids);
      return reply.code(202).send({ orders: ids.length });
    },
  );
}

/**
 * At the head of the queue. Where Redis is unavailable the sweeper finds them by the time that was
 * written.
 */
async function lookNow(charges: ChargeQueue, orderIds: readonly string[]): Promise<void> {
  const entries = orderIds.map((id) => chargeQueueEntry("check", id, "operations"));
  await charges.addBulk(entries.map((entry) => ({ ...entry, opts: { ...entry.opts, lifo: true } }))).catch(() => {});
}

function noSuchOrder(): Problem {
  return new Problem(
    "order_not_found",
    "There is no order with this id in Postgres; one in line has nothing to refund.",
  );
}
