import { finished } from "node:stream";
import { itemIdPattern } from "@holdfast/shared/item.ts";
import type { OrderStatus } from "@holdfast/shared/order.ts";
import { Type } from "typebox";
import { described, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import { fieldProblem, Problem } from "../http/problems.ts";
import { type Export, exportOrders } from "../ops/export-orders.ts";
import { listOpsOrders } from "../ops/list-orders.ts";
import { opsOrderPage, opsOrderQuery, opsOrderStory } from "../ops/ops-order-schemas.ts";
import { type OpsParts, opsRefusals, opsSecurity as security } from "../ops/ops-parts.ts";
import { readOpsOrder, showOpsOrder } from "../ops/show-ops-order.ts";
import { isOrderId } from "../orders/order-id.ts";
import { pageLimit, readCursor } from "../orders/page.ts";

const tags = ["operations"];
const maxExports = 2; // of one server at a time: each reads as fast as its client, and Postgres has other work

/** Orders as operations see them. */
export function opsOrderRoutes(app: App, parts: OpsParts): void {
  listRoute(app, parts);
  exportRoute(app, parts);
  storyRoute(app, parts);
}

function listRoute(app: App, { db }: OpsParts): void {
  app.get(
    "/api/orders",
    {
      schema: {
        operationId: "searchOrders",
        summary: "Decided orders, newest first: of an item, a status, a shopper, a payment",
        description: "An order still in line is only in Redis, and is its shopper's to see.",
        tags,
        security,
        querystring: opsOrderQuery,
        response: { 200: described(opsOrderPage, "a page of orders"), ...refusals(...opsRefusals, "invalid_request") },
      },
    },
    async (request) => {
      const { limit, after, status, ...filter } = request.query;
      const named = { ...filter, status: status as OrderStatus | undefined };
      const { orders, next } = await listOpsOrders(db, named, pageLimit(limit), readCursor(after));
      return { orders: orders.map(showOpsOrder), next };
    },
  );
}

function storyRoute(app: App, { db }: OpsParts): void {
  app.get(
    "/api/orders/:id",
    {
      schema: {
        operationId: "getOrderStory",
        summary: "An order with its whole story",
        tags,
        security,
        params: Type.Object({ id: Type.String() }),
        response: { 200: described(opsOrderStory, "the order"), ...refusals(...opsRefusals, "order_not_found") },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const order = isOrderId(id) ? await readOpsOrder(db, id) : null;
      if (order === null) {
        throw new Problem(
          "order_not_found",
          "No decided order has this id. One in line is known by its shopper alone.",
        );
      }
      reply.header("cache-control", "no-store");
      return order;
    },
  );
}

const exportQuery = Type.Object(
  {
    item: Type.Optional(Type.String({ pattern: itemIdPattern.source, description: "all items without it" })),
    format: Type.Optional(Type.String({ enum: ["csv", "ndjson"], default: "csv" })),
  },
  { additionalProperties: false },
);
const media = { csv: "text/csv; charset=utf-8; header=present", ndjson: "application/x-ndjson; charset=utf-8" };

function exportRoute(app: App, { exportUrls }: OpsParts): void {
  let running = 0;
  const file = { schema: Type.String() };
  app.get(
    "/api/orders/export",
    {
      schema: {
        operationId: "exportOrders",
        summary: "All decided orders of an item as a file",
        tags,
        security,
        querystring: exportQuery,
        response: {
          200: { description: "a line for each order", content: { "text/csv": file, "application/x-ndjson": file } },
          ...refusals(...opsRefusals, "invalid_request", "busy"),
        },
      },
    },
    async (request, reply) => {
      const { item: itemId = null, format } = request.query;
      if (format !== "csv" && format !== "ndjson") throw fieldProblem("querystring/format", "must be csv or ndjson");
      const name = `orders-${itemId ?? "all"}-${new Date().toISOString().slice(0, 10)}.${format}`;
      reply
        .type(media[format])
        .headers({ "content-disposition": `attachment; filename="${name}"`, "cache-control": "no-store" });
      if (request.method === "HEAD") return reply.send("");
      if (running >= maxExports) {
        throw new Problem("busy", `${maxExports} exports are under way on this server.`, { retryAfterSeconds: 30 });
      }
      running += 1;
      // A client may be gone before Postgres has answered, and before we got here.
      let over = false;
      let begun: Export | null = null;
      finished(reply.raw, () => {
        running -= 1;
        over = true;
        begun?.end();
      });
      begun = await exportOrders({ databaseUrls: exportUrls(), itemId, format });
      if (over) begun.end();
      return reply.send(begun.stream as never); // a file, which no schema describes line by line
    },
  );
}
