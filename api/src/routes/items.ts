import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { App } from "../http/fastify-app.ts";
import type { Limits } from "../http/limits.ts";
import { Problem } from "../http/problems.ts";
import type { ItemCatalog } from "../items/item-catalog.ts";
import { showItem } from "../items/show-item.ts";
import { itemBody, refusals } from "../schemas.ts";

/** `GET /items` and `GET /items/:itemId`: what is on sale, and what is left of it. */
export function itemRoutes(app: App, items: ItemCatalog, limits: Limits): void {
  const onRequest = async (request: FastifyRequest) => limits.readsPerAddress(request);

  app.get(
    "/items",
    {
      schema: {
        summary: "What is on sale",
        tags: ["anyone"],
        response: { 200: Type.Array(itemBody), ...refusals() },
      },
      onRequest,
    },
    async () => items.list().map((item) => showItem(item, Date.now())),
  );

  app.get(
    "/items/:itemId",
    {
      schema: {
        summary: "One item",
        tags: ["anyone"],
        params: Type.Object({ itemId: Type.String() }),
        response: { 200: itemBody, ...refusals(404, 503) },
      },
      onRequest,
    },
    async (request) => {
      const item = await items.find(request.params.itemId);
      if (item === null) throw new Problem("item_not_found", "There is no item with this id.");
      return showItem(item, Date.now());
    },
  );
}
