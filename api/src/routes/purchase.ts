import type { IncomingHttpHeaders } from "node:http";
import type { Item } from "@holdfast/shared/item.ts";
import type { Metadata, Order } from "@holdfast/shared/order.ts";
import type { PurchaseRequest } from "@holdfast/shared/purchase-job.ts";
import { saleStatus } from "@holdfast/shared/sale-status.ts";
import { showOrder } from "@holdfast/shared/show-order.ts";
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from "fastify";
import { Type } from "typebox";
import { acceptedOrder, bodyRefusals, maybeAccepted, refusals } from "../answers.ts";
import { clientAddress } from "../http/client-address.ts";
import type { App } from "../http/fastify-app.ts";
import { fieldProblem, Problem, type ReadyProblem, readyProblem, sendReadyProblem } from "../http/problems.ts";
import type { TraceOf } from "../http/request-spans.ts";
import type { ItemCatalog } from "../items/item-catalog.ts";
import { type AcceptOrder, keyReused } from "../orders/accept-orders.ts";
import { newOrderId, orderIdForKey, requestFingerprint } from "../orders/order-id.ts";
import type { ReadStanding } from "../orders/order-standing.ts";
import { orderTag } from "../orders/order-tag.ts";
import type { OrderWatch } from "../orders/order-watch.ts";
import { prepareWaiter } from "../orders/prefer.ts";
import type { ReadView } from "../orders/view-reader.ts";
import { cardIn, maxAmountMinor, maxMetadataBytes, purchaseBody, purchaseHeaders } from "../schemas.ts";

export interface PurchaseParts {
  readonly items: ItemCatalog;
  readonly accept: AcceptOrder;
  readonly readView: ReadView;
  readonly readStanding: ReadStanding;
  /** The traceparent of a request, where there is tracing. */
  readonly traceOf: TraceOf;
  readonly watch: OrderWatch;
  readonly admit: onRequestHookHandler;
}

const purchaseRefusals = refusals(
  ...bodyRefusals,
  "unauthenticated",
  "item_not_found",
  "out_of_stock",
  "sale_not_open",
  "sale_paused",
  "sale_ended",
  "idempotency_key_reused",
);

/**
 * `POST /purchase/:itemId`: checks what can be checked without a queue, then puts the order in
 * line.
 */
export function purchaseRoute(app: App, parts: PurchaseParts): void {
  const { items, accept, readStanding, watch } = parts;
  app.post(
    "/purchase/:itemId",
    {
      schema: {
        operationId: "buy",
        summary: "Buy units of an item",
        tags: ["shopper"],
        security: [{ shopper: [] }],
        params: Type.Object({ itemId: Type.String() }),
        headers: purchaseHeaders,
        body: purchaseBody,
        response: { 202: acceptedOrder, ...purchaseRefusals, 503: maybeAccepted },
      },
      onRequest: parts.admit,
    },
    (request, reply) => {
      const { itemId } = request.params;
      const item = items.known(itemId);
      if (item === undefined) return purchaseUnseen(request, reply, itemId);
      const refusal = saleRefusal(item, Date.now());
      // What most of a crowd is told: it takes nothing but this server's memory, and waits for
      // nobody.
      if (refusal === null || request.headers["idempotency-key"] !== undefined) return purchase(request, reply, item);
      sendReadyProblem(reply, refusal);
    },
  );

  const purchaseUnseen = async (request: PurchaseCall, reply: FastifyReply, itemId: string) => {
    const item = await items.find(itemId);
    if (item === null) throw new Problem("item_not_found", "There is no item with this id.");
    return purchase(request, reply, item);
  };
  const purchase = async (request: PurchaseCall, reply: FastifyReply, item: Item) => {
    const placedAtMs = Date.now();
    const { shopperId, body } = request;
    const tooLarge = metadataRefusal(body.metadata);
    if (tooLarge !== null) throw tooLarge;
    const key = request.headers["idempotency-key"];
    const refusal = saleRefusal(item, placedAtMs)?.problem ?? amountRefusal(item, body.quantity ?? 1);
    if (refusal !== null) {
      // A repeat is the order it repeats, even where that is not for sale any more: its 202 may
      // have got lost.
      const repeated = key === undefined ? null : await findRepeated(parts.readView, shopperId, key, item.id, body);
      if (repeated === null) throw refusal;
      if (repeated.status !== "queued") return answer(reply, repeated);
      // One that is still queued goes through the line again: its server may have stopped before it
      // put it there.
    }
    const placed = newRequest(item, shopperId, body, key, placedAtMs, parts.traceOf(request));
    const order = await watch.answer(
      prepareWaiter(request, reply, shopperId, placed.orderId),
      () => accept(item.id, placed, clientAddress(request)),
      ({ status }) => status !== "queued",
    );
    return answer(reply, order);
  };
  const answer = async (reply: FastifyReply, order: Order) => {
    const standing = await readStanding(order);
    return reply
      .code(202)
      .header("location", `/orders/${order.id}`)
      .header("etag", orderTag(order))
      .header("retry-after", 1)
      .send(showOrder(order, standing));
  };
}

/** A request whose token and schemas are checked. */
type PurchaseCall = Pick<FastifyRequest, "ip" | "socket" | "shopperId" | "raw"> & {
  readonly headers: IncomingHttpHeaders & Type.Static<typeof purchaseHeaders>;
  readonly body: Type.Static<typeof purchaseBody>;
};

const soldOut = readyProblem(
  "out_of_stock",
  "All units are sold or held for others. A unit may come back if a payment fails.",
);
const salePaused = readyProblem("sale_paused", "The sale is paused for a moment.");
const saleEnded = readyProblem("sale_ended", "The sale is over.");

function saleRefusal(item: Item, nowMs: number): ReadyProblem | null {
  switch (saleStatus(item, nowMs)) {
    case "scheduled":
      return notOpenUntil(item.opensAtMs ?? nowMs, nowMs);
    case "ended":
      return saleEnded;
    case "paused":
      return salePaused;
    case "out_of_stock":
      return soldOut;
    case "available":
      return null;
  }
}

const longestRetrySeconds = 24 * 3600; // nobody obeys a longer wait

function notOpenUntil(opensAtMs: number, nowMs: number): ReadyProblem {
  const retryAfterSeconds = Math.min(longestRetrySeconds, Math.max(1, Math.ceil((opensAtMs - nowMs) / 1000)));
  return readyProblem("sale_not_open", `The sale opens at ${new Date(opensAtMs).toISOString()}.`, {
    retryAfterSeconds,
  });
}

function amountRefusal({ priceMinor }: Item, quantity: number): Problem | null {
  if (priceMinor * quantity <= maxAmountMinor) return null;
  return fieldProblem("body/quantity", "times the price is more than one payment can take");
}

async function findRepeated(
  readView: ReadView,
  shopperId: string,
  idempotencyKey: string,
  itemId: string,
  body: PurchaseCall["body"],
): Promise<Order | null> {
  // The view alone: it lives as long as a key is remembered, and Postgres shall not be asked by
  // everyone who comes too late.
  const order = await readView(shopperId, orderIdForKey(shopperId, idempotencyKey));
  const { quantity = 1, metadata = null } = body;
  if (order && order.fingerprint !== requestFingerprint(itemId, quantity, cardIn(body), metadata)) throw keyReused();
  return order;
}

function newRequest(
  item: Item,
  shopperId: string,
  body: PurchaseCall["body"],
  idempotencyKey: string | undefined,
  placedAtMs: number,
  trace: string | null,
): PurchaseRequest {
  const { quantity = 1, metadata = null } = body;
  const card = cardIn(body);
  const keyed = idempotencyKey !== undefined;
  return {
    orderId: keyed ? orderIdForKey(shopperId, idempotencyKey) : newOrderId(placedAtMs),
    shopperId,
    quantity,
    amountMinor: item.priceMinor * quantity,
    currency: item.currency,
    card,
    placedAtMs,
    fingerprint: keyed ? requestFingerprint(item.id, quantity, card, metadata) : null,
    metadata,
    ...(trace !== null && { trace }),
  };
}

function metadataRefusal(metadata: Metadata | undefined): Problem | null {
  if (metadata === undefined) return null;
  const bytes = Object.entries(metadata).reduce((sum, entry) => sum + Buffer.byteLength(entry.join("")), 0);
  if (bytes <= maxMetadataBytes) return null;
  return fieldProblem("body/metadata", `is larger than ${maxMetadataBytes} bytes in all`);
}
