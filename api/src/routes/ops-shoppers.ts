import type { Order } from "@holdfast/shared/order.ts";
import { readQueuedViews } from "@holdfast/shared/order-view.ts";
import { Type } from "typebox";
import { bodyRefusals, described, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import { Problem } from "../http/problems.ts";
import { forgetShopper } from "../ops/forget-shopper.ts";
import { opsOrderStory, readable } from "../ops/ops-order-schemas.ts";
import { type OpsParts, opsActRefusals, opsRefusals, opsSecurity as security } from "../ops/ops-parts.ts";
import { readShopperOrders } from "../ops/show-ops-order.ts";

const tags = ["operations"];
const params = Type.Object({ id: Type.String({ minLength: 1, maxLength: 255, pattern: readable }) });
const orderInLine = Type.Object({
  id: Type.String(),
  itemId: Type.String(),
  quantity: Type.Integer(),
  amount: Type.Integer(),
  currency: Type.String(),
  metadata: Type.Unsafe<object | null>({ type: ["object", "null"], additionalProperties: { type: "string" } }),
  placedAt: Type.String({ format: "date-time" }),
});
const shopperBody = Type.Object(
  {
    shopperId: Type.String(),
    orders: Type.Array(opsOrderStory, { description: "newest first, a thousand at most" }),
    inLine: Type.Array(orderInLine, { description: "orders that are not decided yet" }),
    more: Type.Boolean({ description: "whether there are more orders than these" }),
  },
  { title: "Shopper" },
);
const forgottenBody = Type.Object(
  {
    forgotten: Type.Integer({ description: "orders" }),
    shopperId: Type.String({ description: "what stands in its place" }),
  },
  { title: "ForgottenShopper" },
);

function showInLine({ id, itemId, quantity, amountMinor: amount, currency, metadata, placedAtMs }: Order) {
  return { id, itemId, quantity, amount, currency, metadata, placedAt: new Date(placedAtMs).toISOString() };
}

/** What is known of a shopper. */
export function opsShopperRoutes(app: App, { db, redis, keys }: OpsParts): void {
  app.get(
    "/api/shoppers/:id",
    {
      schema: {
        operationId: "getShopper",
        summary: "All that is known of a shopper",
        tags,
        security,
        params,
        response: {
          200: described(shopperBody, "the shopper's orders"),
          ...refusals(...opsRefusals, "invalid_request"),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      reply.header("cache-control", "no-store");
      const [known, views] = await Promise.all([readShopperOrders(db, id), readQueuedViews({ redis, keys }, id)]);
      const decided = new Set(known.orders.map((order) => order.id));
      const inLine = views.filter((view) => !decided.has(view.id)).map(showInLine);
      return { shopperId: id, ...known, inLine };
    },
  );
  app.delete(
    "/api/shoppers/:id",
    {
      schema: {
        operationId: "forgetShopper",
        summary: "Forget a shopper: identity replaced, orders kept",
        tags,
        security,
        params,
        response: {
          200: described(forgottenBody, "forgotten"),
          ...refusals(...opsActRefusals, ...bodyRefusals, "shopper_has_open_orders"),
        },
      },
    },
    async (request) => {
      const result = await forgetShopper({ db, redis, keys }, request.operator, request.params.id);
      if (result.kind === "open_orders") {
        throw new Problem(
          "shopper_has_open_orders",
          "An order of this shopper is in line or held. Ask again when it is settled.",
        );
      }
      return { forgotten: result.orders, shopperId: result.shopperId };
    },
  );
}
