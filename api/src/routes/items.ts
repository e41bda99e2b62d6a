import { showItem } from "@holdfast/shared/show-item.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { cachedItem, cachedItems, itemNotModified, refusals } from "../answers.ts";
import { contentTag, isUnchanged } from "../http/etag.ts";
import type { App } from "../http/fastify-app.ts";
import type { Limits } from "../http/limits.ts";
import { Problem } from "../http/problems.ts";
import type { ItemCatalog } from "../items/item-catalog.ts";
import { itemListReader, type ShownList } from "../items/item-list.ts";
import { tagHeaders } from "../schemas.ts";

/** `GET /items` and `GET /items/:itemId`: what is on sale, and what is left of it. */
export function itemRoutes(app: App, items: ItemCatalog, limits: Limits): void {
  const onRequest = async (request: FastifyRequest) => limits.readsPerAddress(request);
  const readList = itemListReader(items);
  // A crowd that looks at a sale once a second may be served by whatever stands in front of us.
  const send = (request: FastifyRequest, reply: FastifyReply, { body, tag }: ShownList) => {
    reply.header("cache-control", "public, max-age=1").type("application/json; charset=utf-8");
    void reply.send(isUnchanged(reply, request.headers["if-none-match"], tag) ? undefined : body);
  };

  app.get(
    "/items",
    {
      schema: {
        operationId: "listItems",
        summary: "What is on sale",
        tags: ["anyone"],
        headers: tagHeaders,
        response: { 200: cachedItems, 304: itemNotModified, ...refusals() },
      },
      onRequest,
    },
    (request, reply) => send(request, reply, readList(Date.now())),
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
        response: { 200: cachedItem, 304: itemNotModified, ...refusals("item_not_found") },
      },
      onRequest,
    },
    async (request, reply) => {
      const item = await items.find(request.params.itemId);
      if (item === null) throw new Problem("item_not_found", "There is no item with this id.");
      const body = JSON.stringify(showItem(item, Date.now()));
      send(request, reply, { body, tag: contentTag(body) });
      return reply;
    },
  );
}
