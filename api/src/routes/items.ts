import { type ShownItem, showItem } from "@holdfast/shared/show-item.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { sendTagged } from "../http/etag.ts";
import type { App } from "../http/fastify-app.ts";
import type { Limits } from "../http/limits.ts";
import { Problem } from "../http/problems.ts";
import type { ItemCatalog } from "../items/item-catalog.ts";
import { itemTag } from "../items/item-tag.ts";
import { cachedItem, cachedItems, notModified, refusals, tagHeaders } from "../schemas.ts";

/** `GET /items` and `GET /items/:itemId`: what is on sale, and what is left of it. */
export function itemRoutes(app: App, items: ItemCatalog, limits: Limits): void {
  const onRequest = async (request: FastifyRequest) => limits.readsPerAddress(request);
  const send = <Shown extends ShownItem | ShownItem[]>(reply: FastifyReply, known: string | undefined, shown: Shown) =>
    // A crowd that looks at a sale once a second may be served by whatever stands in front of us.
    sendTagged(reply.header("cache-control", "public, max-age=1"), known, itemTag(shown), () => shown);

  app.get(
    "/items",
    {
      schema: {
        operationId: "listItems",
        summary: "What is on sale",
        tags: ["anyone"],
        headers: tagHeaders,
        response: { 200: cachedItems, 304: notModified, ...refusals() },
      },
      onRequest,
    },
    async (request, reply) => {
      const nowMs = Date.now();
      const shown = items.list().map((item) => showItem(item, nowMs));
      return send(reply, request.headers["if-none-match"], shown);
    },
  );

  app.get(
    "/items/:itemId",
    {
      schema: {
        operationId: "getItem",
        summary: "One item",
        tags: ["anyone"],
        params: Type.Object({ itemId: Type.String() }),
        headers: tagHeaders,
        response: { 200: cachedItem, 304: notModified, ...refusals("item_not_found") },
      },
      onRequest,
    },
    async (request, reply) => {
      const item = await items.find(request.params.itemId);
      if (item === null) throw new Problem("item_not_found", "There is no item with this id.");
      return send(reply, request.headers["if-none-match"], showItem(item, Date.now()));
    },
  );
}
