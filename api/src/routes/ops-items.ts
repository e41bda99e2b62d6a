import type { Database } from "@holdfast/shared/database.ts";
import { type Item, isItemId } from "@holdfast/shared/item.ts";
import { publishItems } from "@holdfast/shared/item-view.ts";
import { showItem } from "@holdfast/shared/show-item.ts";
import { Type } from "typebox";
import { bodyRefusals, described, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import { fieldProblem, Problem } from "../http/problems.ts";
import { maxStocked, putItem, restockItem } from "../ops/ops-items.ts";
import { opsRefusals as guard, type OpsParts, opsSecurity as security } from "../ops/ops-parts.ts";
import { chargingWarnings, unpayable } from "../orders/charge-limits.ts";
import { booksBody, opsItemBody, opsItemRequest, putItemBody, restockRequest } from "../schemas.ts";

const itemParams = Type.Object({ itemId: Type.String() });

/** The items as operations see and change them. */
export function opsItemRoutes(app: App, parts: OpsParts): void {
  itemRoutes(app, parts);
  booksRoute(app, parts.db);
}

function itemRoutes(app: App, { db, redis, keys, items, chargesPerSecond }: OpsParts): void {
  const changed = async (item: Item) => {
    items.note(item);
    // Where Redis is unavailable it only takes longer: every server reads Postgres again now and
    // then.
    await publishItems({ redis, keys }, [item]).catch(() => {});
  };

  app.put(
    "/api/items/:itemId",
    {
      schema: {
        operationId: "putItem",
        summary: "Put an item on sale, or change it",
        tags: ["operations"],
        security,
        params: itemParams,
        body: opsItemRequest,
        response: {
          200: described(putItemBody, "the item, changed"),
          201: described(putItemBody, "the item, put on sale"),
          ...refusals(...guard, ...bodyRefusals),
        },
      },
    },
    async (request, reply) => {
      const { itemId } = request.params;
      if (!isItemId(itemId)) throw badItemId();
      checkTerms(request.body);
      const { item, created } = await putItem(db, itemId, request.body);
      await changed(item);
      const warnings = chargingWarnings(item.inventory, chargesPerSecond);
      return reply.code(created ? 201 : 200).send({ ...showOpsItem(item), ...(warnings.length > 0 && { warnings }) });
    },
  );

  app.post(
    "/api/items/:itemId/restock",
    {
      schema: {
        operationId: "restockItem",
        summary: "Add units, or withdraw unsold ones",
        tags: ["operations"],
        security,
        params: itemParams,
        body: restockRequest,
        response: {
          200: described(opsItemBody, "the item with its units changed"),
          ...refusals(...guard, ...bodyRefusals, "item_not_found", "insufficient_inventory"),
        },
      },
    },
    async (request) => {
      const { itemId } = request.params;
      if (!isItemId(itemId)) throw noSuchItem();
      if (request.body.units === 0) throw badUnits("must not be 0");
      const result = await restockItem(db, itemId, request.body.units);
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

/** What a schema cannot say of an item. @throws Problem 400 */
function checkTerms({ opensAt, closesAt, price, currency }: Type.Static<typeof opsItemRequest>): void {
  requireInstant("opensAt", opensAt);
  requireInstant("closesAt", closesAt);
  if (opensAt && closesAt && Date.parse(opensAt) >= Date.parse(closesAt)) {
    throw fieldProblem("body/closesAt", "must be later than opensAt");
  }
  const reason = unpayable(price, currency);
  if (reason !== null) throw fieldProblem(`body/${reason.field}`, reason.message);
}

function booksRoute(app: App, db: Database): void {
  app.get(
    "/api/items/:itemId/books",
    {
      schema: {
        operationId: "getBooks",
        summary: "The books of an item",
        tags: ["operations"],
        security,
        params: itemParams,
        response: { 200: described(booksBody, "the books"), ...refusals(...guard, "item_not_found") },
      },
    },
    async (request) => {
      const { itemId } = request.params;
      if (!isItemId(itemId)) throw noSuchItem();
      const row = await db.selectFrom("item_books").selectAll().where("item_id", "=", itemId).executeTakeFirst();
      if (!row) throw noSuchItem();
      const { item_id, ...books } = row;
      return { itemId: item_id, ...books };
    },
  );
}

/**
 * The format lets leap seconds and the far ends of the calendar through, which the program and the
 * database cannot hold.
 */
function requireInstant(name: string, text: string | null | undefined): void {
  if (text === null || text === undefined) return;
  const year = new Date(text).getUTCFullYear(); // NaN where it is no time at all
  if (year >= 1970 && year <= 9999) return;
  throw fieldProblem(`body/${name}`, "must be a time from 1970 to 9999");
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

function showOpsItem(item: Item) {
  const { stocked, holdSeconds, paymentRetries, maxPerShopper } = item;
  return { ...showItem(item, Date.now()), stocked, holdSeconds, paymentRetries, maxPerShopper };
}
