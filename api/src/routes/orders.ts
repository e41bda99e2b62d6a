import { isFinal, type Order } from "@holdfast/shared/order.ts";
import { Type } from "typebox";
import type { App } from "../http/fastify-app.ts";
import { admitReader, type Limits } from "../http/limits.ts";
import type { IdentifyShopper } from "../http/shopper.ts";
import type { ReadLine } from "../orders/line-status.ts";
import { isOrderId } from "../orders/order-id.ts";
import { listOrders, type OrderReaderParts, orderReader } from "../orders/order-reader.ts";
import type { OrderWatch } from "../orders/order-watch.ts";
import { passedOverReporter } from "../orders/passed-over.ts";
import { prepareWaiter } from "../orders/prefer.ts";
import { showOrder } from "../orders/show-order.ts";
import { unknownOrderTeller } from "../orders/unknown-order.ts";
import { orderBody, refusals, waitHeaders } from "../schemas.ts";

export interface OrdersParts {
  readonly reader: OrderReaderParts;
  readonly readLine: ReadLine;
  readonly watch: OrderWatch;
  readonly identify: IdentifyShopper;
  readonly limits: Limits;
}

/** `GET /orders/:id` and `GET /orders`: where a shopper's own orders stand. */
export function orderRoutes(app: App, { reader, readLine, watch, identify, limits }: OrdersParts): void {
  const onRequest = admitReader(limits, identify);
  const readOrder = orderReader(reader);
  const unknownOrder = unknownOrderTeller(reader);
  const notePassedOver = passedOverReporter(reader);
  const show = async (order: Order) => {
    const line = order.status === "queued" ? await readLine(order) : null;
    if (line !== null) notePassedOver(order, line);
    return showOrder(order, line);
  };

  app.get(
    "/orders/:id",
    {
      schema: {
        summary: "Where an order stands",
        tags: ["shopper"],
        security: [{ shopper: [] }],
        params: Type.Object({ id: Type.String() }),
        headers: waitHeaders,
        response: { 200: orderBody, ...refusals(401, 404, 503) },
      },
      onRequest,
    },
    async (request, reply) => {
      const { shopperId } = request;
      const { id } = request.params;
      const getOrder = async () => {
        const order = isOrderId(id) ? await readOrder(shopperId, id) : null;
        // Somebody else's order and one that does not exist look alike.
        if (order === null) throw await unknownOrder();
        return order;
      };
      const waiter = prepareWaiter(request, reply, shopperId, id);
      const order = await watch.answer(waiter, getOrder, ({ status }, changed) => isFinal(status) || changed);
      if (!isFinal(order.status)) reply.header("retry-after", 1);
      return show(order);
    },
  );

  app.get(
    "/orders",
    {
      schema: {
        summary: "One's own orders, newest first",
        tags: ["shopper"],
        security: [{ shopper: [] }],
        response: { 200: Type.Array(orderBody), ...refusals(401, 503) },
      },
      onRequest,
    },
    async (request) => Promise.all((await listOrders(reader, request.shopperId)).map(show)),
  );
}
