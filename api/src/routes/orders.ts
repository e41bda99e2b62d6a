import { isFinal } from "@holdfast/shared/order.ts";
import { showOrder } from "@holdfast/shared/show-order.ts";
import { Type } from "typebox";
import { aPage, followedOrder, orderNotModified, refusals } from "../answers.ts";
import { isUnchanged, matchesTag } from "../http/etag.ts";
import type { App } from "../http/fastify-app.ts";
import { admitReader, type Limits } from "../http/limits.ts";
import type { IdentifyShopper } from "../http/shopper.ts";
import { isOrderId } from "../orders/order-id.ts";
import { listOrders, type OrderReaderParts, orderReader } from "../orders/order-reader.ts";
import type { ReadStanding } from "../orders/order-standing.ts";
import { orderTag, versionOf } from "../orders/order-tag.ts";
import type { OrderWatch } from "../orders/order-watch.ts";
import { pageLimit, readCursor } from "../orders/page.ts";
import { prepareWaiter } from "../orders/prefer.ts";
import { unknownOrderTeller } from "../orders/unknown-order.ts";
import { orderHeaders, pageQuery } from "../schemas.ts";

export interface OrdersParts {
  readonly reader: OrderReaderParts;
  readonly readStanding: ReadStanding;
  readonly watch: OrderWatch;
  readonly identify: IdentifyShopper;
  readonly limits: Limits;
}

/** `GET /orders/:id` and `GET /orders`: where a shopper's own orders stand. */
export function orderRoutes(app: App, { reader, readStanding, watch, identify, limits }: OrdersParts): void {
  const onRequest = admitReader(limits, identify);
  const readOrder = orderReader(reader);
  const unknownOrder = unknownOrderTeller(reader);

  app.get(
    "/orders/:id",
    {
      schema: {
        operationId: "getOrder",
        summary: "Where an order stands",
        tags: ["shopper"],
        security: [{ shopper: [] }],
        params: Type.Object({ id: Type.String() }),
        headers: orderHeaders,
        response: { 200: followedOrder, 304: orderNotModified, ...refusals("unauthenticated", "order_not_found") },
      },
      onRequest,
    },
    async (request, reply) => {
      const { shopperId } = request;
      const { id } = request.params;
      const known = request.headers["if-none-match"];
      const getOrder = async () => {
        const order = isOrderId(id) ? await readOrder(shopperId, id, versionOf(known)) : null;
        // Somebody else's order and one that does not exist look alike.
        if (order === null) throw await unknownOrder();
        return order;
      };
      const waiter = prepareWaiter(request, reply, shopperId, id);
      // With a tag, any order that is another than the client's is an answer, whenever it changed:
      // a client that still believes it queued waits for nothing.
      const order = await watch.answer(waiter, getOrder, (seen, changed) => {
        if (isFinal(seen.status)) return true;
        return known === undefined ? changed : !matchesTag(known, orderTag(seen));
      });
      if (!isFinal(order.status)) reply.header("retry-after", 1);
      if (isUnchanged(reply, known, orderTag(order))) return null;
      return showOrder(order, await readStanding(order));
    },
  );

  app.get(
    "/orders",
    {
      schema: {
        operationId: "listOrders",
        summary: "One's own orders, newest first",
        tags: ["shopper"],
        security: [{ shopper: [] }],
        querystring: pageQuery,
        response: { 200: aPage, ...refusals("unauthenticated", "invalid_request") },
      },
      onRequest,
    },
    async (request) => {
      const { limit, after } = request.query;
      const page = await listOrders(reader, request.shopperId, pageLimit(limit), readCursor(after));
      const orders = await Promise.all(page.orders.map(async (order) => showOrder(order, await readStanding(order))));
      return { orders, next: page.next };
    },
  );
}
