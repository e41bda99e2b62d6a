import { type Item, isItemId } from "@holdfast/shared/item.ts";
import { publishItems } from "@holdfast/shared/item-view.ts";
import { Type } from "typebox";
import { bodyRefusals, described, refusals } from "../answers.ts";
import { contentTag, matchesTag } from "../http/etag.ts";
import type { App } from "../http/fastify-app.ts";
import { fieldProblem, Problem } from "../http/problems.ts";
import { deleteRehearsal } from "../ops/delete-rehearsal.ts";
import { itemTag, newTerms } from "../ops/item-terms.ts";
import { readItemLines } from "../ops/monitor/read-lines.ts";
import { changeItem, createItem, maxStocked, pauseItem, restockItem } from "../ops/ops-items.ts";
import { type OpsParts, opsActRefusals, opsRefusals, opsSecurity as security } from "../ops/ops-parts.ts";
import { itemForOperations, listItems, showOpsItem } from "../ops/show-ops-item.ts";
import { chargingWarnings } from "../orders/charge-limits.ts";
import {
  booksBody,
  changeItemRequest,
  opsItemBody,
  opsItemList,
  opsItemRequest,
  opsItemWithBooks,
  putItemBody,
  restockRequest,
} from "../schemas.ts";

const params = Type.Object({ itemId: Type.String() });
const tags = ["operations"];
const deletedBody = Type.Object({ deleted: Type.String() }, { title: "DeletedRehearsal" });
const tagged = { etag: { type: "string", description: "of the item's terms: what If-Match takes" } };

/** The items as operations see and change them. */
export function opsItemRoutes(app: App, parts: OpsParts): void {
  readRoutes(app, parts);
  putRoute(app, parts);
  patchRoute(app, parts);
  restockRoute(app, parts);
  for (const action of ["pause", "resume"] as const) pauseRoute(app, parts, action);
  deleteRoute(app, parts);
}

/** What is changed is seen at once by every server, and so by every open storefront. */
function noteChange({ items, redis, keys }: OpsParts) {
  return async (item: Item): Promise<void> => {
    items.note(item);
    // Where Redis is unavailable it only takes longer: every server reads Postgres again now and
    // then.
    await publishItems({ redis, keys }, [item]).catch(() => {});
  };
}

function readRoutes(app: App, { db }: OpsParts): void {
  app.get(
    "/api/items",
    {
      schema: {
        operationId: "listItemsForOperations",
        summary: "Everything about the items, their books included",
        tags,
        security,
        querystring: Type.Object({
          prefix: Type.Optional(Type.String({ maxLength: 64, description: "only ids that begin so" })),
        }),
        response: {
          200: described(opsItemList, "the items, by id; a thousand at most", {
            etag: { type: "string", description: "of the whole answer" },
          }),
          ...refusals(...opsRefusals, "invalid_request"),
        },
      },
    },
    async (request, reply) => {
      const items = await listItems(db, request.query.prefix ?? "");
      reply.headers({ "cache-control": "no-store", etag: contentTag(JSON.stringify(items)) });
      return { items };
    },
  );
  app.get(
    "/api/items/:itemId",
    {
      schema: {
        operationId: "getItemForOperations",
        summary: "Everything about an item, its books included",
        tags,
        security,
        params,
        response: {
          200: described(opsItemWithBooks, "the item", tagged),
          ...refusals(...opsRefusals, "item_not_found"),
        },
      },
    },
    async (request, reply) => {
      const shown = await itemForOperations(db, knownId(request.params.itemId));
      if (shown === null) throw noSuchItem();
      reply.headers({ "cache-control": "no-store", etag: itemTag(shown.item) });
      return shown.body;
    },
  );
  app.get(
    "/api/items/:itemId/books",
    {
      schema: {
        operationId: "getBooks",
        summary: "The books of an item",
        tags,
        security,
        params,
        response: { 200: described(booksBody, "the books"), ...refusals(...opsRefusals, "item_not_found") },
      },
    },
    async (request) => {
      const itemId = knownId(request.params.itemId);
      const row = await db.selectFrom("item_books").selectAll().where("item_id", "=", itemId).executeTakeFirst();
      if (!row) throw noSuchItem();
      const { item_id, ...books } = row;
      return { itemId: item_id, ...books };
    },
  );
}

function putRoute(app: App, parts: OpsParts): void {
  const changed = noteChange(parts);
  app.put(
    "/api/items/:itemId",
    {
      schema: {
        operationId: "putItem",
        summary: "Put an item on sale",
        tags,
        security,
        params,
        body: opsItemRequest,
        response: {
          200: described(putItemBody, "the item: it was put on sale with these terms before", tagged),
          201: described(putItemBody, "the item, put on sale", tagged),
          ...refusals(...opsActRefusals, ...bodyRefusals, "item_exists"),
        },
      },
    },
    async (request, reply) => {
      const { itemId } = request.params;
      if (!isItemId(itemId)) throw badItemId();
      const { units, ...named } = request.body;
      const applied = newTerms(named);
      if (applied.kind === "invalid") throw fieldProblem(`body/${applied.field}`, applied.message);
      const result = await createItem(parts.db, request.operator, itemId, applied.terms, units);
      if (result.kind === "exists") throw new Problem("item_exists", "This id was put on sale with other terms.");
      const { item } = result;
      await changed(item);
      const warnings = chargingWarnings(item.inventory, parts.chargesPerSecond);
      reply.code(result.kind === "created" ? 201 : 200).header("etag", itemTag(item));
      return { ...showOpsItem(item), ...(warnings.length > 0 && { warnings }) };
    },
  );
}

/** Whether orders for it wait: they are paid in the currency that they were placed in. */
async function isInLine(parts: OpsParts, itemId: string): Promise<boolean> {
  const lines = await readItemLines(parts, parts.lanes, [itemId]);
  return (lines.get(itemId)?.waiting ?? 0) > 0;
}

function patchRoute(app: App, parts: OpsParts): void {
  const changed = noteChange(parts);
  app.patch(
    "/api/items/:itemId",
    {
      schema: {
        operationId: "changeItem",
        summary: "Change an item's terms; what is not named stays",
        tags,
        security,
        params,
        headers: Type.Object({
          "if-match": Type.Optional(
            Type.String({ description: "the ETag that was seen: 412 where it was changed since" }),
          ),
        }),
        body: changeItemRequest,
        response: {
          200: described(opsItemBody, "the item, changed", tagged),
          ...refusals(...opsActRefusals, ...bodyRefusals, "item_not_found", "precondition_failed"),
        },
      },
    },
    async (request, reply) => {
      const itemId = knownId(request.params.itemId);
      const ifMatch = request.headers["if-match"];
      const seen = ifMatch === undefined ? null : (tag: string) => matchesTag(ifMatch, tag);
      const { currency } = request.body;
      if (currency !== undefined && currency !== parts.items.known(itemId)?.currency && (await isInLine(parts, itemId)))
        throw fieldProblem("body/currency", "cannot change now: orders in the one that it has wait in line");
      const result = await changeItem(parts.db, request.operator, itemId, request.body, seen);
      switch (result.kind) {
        case "item_not_found":
          throw noSuchItem();
        case "another_state":
          throw new Problem("precondition_failed", "Somebody has changed the item since you read it.");
        case "invalid":
          throw fieldProblem(`body/${result.field}`, result.message);
        case "changed":
          await changed(result.item);
          reply.header("etag", itemTag(result.item));
          return showOpsItem(result.item);
      }
    },
  );
}

function restockRoute(app: App, parts: OpsParts): void {
  const changed = noteChange(parts);
  app.post(
    "/api/items/:itemId/restock",
    {
      schema: {
        operationId: "restockItem",
        summary: "Add units, or withdraw unsold ones",
        tags,
        security,
        params,
        body: restockRequest,
        response: {
          200: described(opsItemBody, "the item with its units changed"),
          ...refusals(...opsActRefusals, ...bodyRefusals, "item_not_found", "insufficient_inventory"),
        },
      },
    },
    async (request) => {
      const itemId = knownId(request.params.itemId);
      const { units } = request.body;
      if (units === 0) throw badUnits("must not be 0");
      const result = await restockItem(parts.db, request.operator, itemId, units);
      switch (result.kind) {
        case "item_not_found":
          throw noSuchItem();
        case "too_many":
          throw badUnits(`must not bring the stock above ${maxStocked}`);
        case "insufficient_inventory":
          throw new Problem("insufficient_inventory", `Only ${result.inventory} units are unsold.`);
        case "restocked":
          await changed(result.item);
          return showOpsItem(result.item);
      }
    },
  );
}

function pauseRoute(app: App, parts: OpsParts, action: "pause" | "resume"): void {
  const changed = noteChange(parts);
  app.post(
    `/api/items/:itemId/${action}`,
    {
      schema: {
        operationId: `${action}Item`,
        summary: action === "pause" ? "Stop the sale of an item for now" : "Go on with the sale of an item",
        tags,
        security,
        params,
        response: {
          200: described(opsItemBody, "the item"),
          ...refusals(...opsActRefusals, ...bodyRefusals, "item_not_found"),
        },
      },
    },
    async (request) => {
      const itemId = knownId((request.params as { itemId: string }).itemId);
      const item = await pauseItem(parts.db, request.operator, itemId, action === "pause");
      if (item === null) throw noSuchItem();
      await changed(item);
      return showOpsItem(item);
    },
  );
}

function deleteRoute(app: App, parts: OpsParts): void {
  app.delete(
    "/api/items/:itemId",
    {
      schema: {
        operationId: "deleteRehearsal",
        summary: "Delete all of a rehearsal's item (rehearsal-…); any other is kept",
        tags,
        security,
        params,
        response: {
          200: described(deletedBody, "the item, its orders and their events are gone"),
          ...refusals(...opsActRefusals, ...bodyRefusals, "item_not_found", "item_kept"),
        },
      },
    },
    async (request) => {
      const itemId = knownId(request.params.itemId);
      const deleted = await deleteRehearsal(parts, request.operator, itemId);
      if (deleted === "not_found") throw noSuchItem();
      if (deleted === "no_rehearsal") throw new Problem("item_kept", "What was on sale is kept.");
      if (deleted === "in_use") throw new Problem("item_kept", "Orders for it are in line or held.");
      return { deleted: itemId };
    },
  );
}

/** @throws Problem 404 where it cannot be an item's id */
function knownId(itemId: string): string {
  if (!isItemId(itemId)) throw noSuchItem();
  return itemId;
}

function noSuchItem(): Problem {
  return new Problem("item_not_found", "There is no item with this id.");
}

function badUnits(message: string): Problem {
  return fieldProblem("body/units", message);
}

function badItemId(): Problem {
  const allowed = "must be 1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit";
  return fieldProblem("params/itemId", allowed);
}
