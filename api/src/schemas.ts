import { invariant } from "@holdfast/shared/invariant.ts";
import { cancelReasons, type Metadata, orderStatuses, paymentStatuses, rejectReasons } from "@holdfast/shared/order.ts";
import { saleStatuses } from "@holdfast/shared/sale-status.ts";
import { untriedCode } from "@holdfast/shared/show-order.ts";
import { type Static, type TSchema, Type } from "typebox";
import { exampleItem, exampleOrder, exampleProblem, examplePurchase } from "./examples.ts";
import { problems } from "./http/problems.ts";

/**
 * The bodies of the HTTP contract. Requests are checked against these without coercion; /docs is
 * generated from them.
 */

/**
 * Not a union of two schemas: an answer's serialiser would have to try which of them a value fits,
 * field by field.
 */
export const nullable = <T extends TSchema & { type: string }>(schema: T) =>
  Type.Unsafe<Static<T> | null>({
    ...schema,
    type: [schema.type, "null"],
    ...("enum" in schema && { enum: [...(schema.enum as string[]), null] }),
  });
const oneOf = (values: readonly string[]) => Type.String({ enum: [...values] });
const instant = Type.String({ format: "date-time", description: "ISO 8601, UTC" });
const amount = Type.Integer({ description: "in the currency's minor unit" });

/** More than a shopper ever buys of one item, and few enough that price × quantity stays exact. */
export const maxQuantity = 1_000;
/** https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts */
export const maxAmountMinor = 99_999_999;

export const itemBody = Type.Object(
  {
    id: Type.String(),
    name: Type.String(),
    price: amount,
    currency: Type.String(),
    available: Type.Integer({ description: "units left to reserve" }),
    status: oneOf(saleStatuses),
    opensAt: nullable(instant),
    closesAt: nullable(instant),
  },
  { title: "Item", examples: [exampleItem] },
);

export const orderBody = Type.Object(
  {
    id: Type.String({ format: "uuid" }),
    itemId: Type.String(),
    quantity: Type.Integer(),
    amount,
    currency: Type.String(),
    status: oneOf(orderStatuses),
    reason: nullable(oneOf([...rejectReasons, ...cancelReasons])),
    message: Type.String({ description: "what to tell the shopper" }),
    position: nullable(
      Type.Integer({ description: "place among the queued orders of the same item while queued, 1 is next" }),
    ),
    estimatedSeconds: nullable(
      Type.Integer({ description: "until it is decided, then until its payment is tried, at the pace of the moment" }),
    ),
    payment: Type.Object({
      status: nullable(oneOf(paymentStatuses)),
      clientSecret: nullable(Type.String()),
      declineCode: nullable(
        Type.String({
          description: `the provider's or the bank's code; \`${untriedCode}\` for a card that could not be tried`,
        }),
      ),
    }),
    metadata: Type.Unsafe<Metadata | null>({
      type: ["object", "null"],
      additionalProperties: { type: "string" },
      description: "what the shop sent with the purchase",
    }),
    placedAt: instant,
    reservedAt: nullable(instant),
    settledAt: nullable(instant),
    holdExpiresAt: nullable(instant),
  },
  { title: "Order", examples: [exampleOrder] },
);

/** Exactly one of the two: what the provider takes as a card. */
const card = {
  paymentMethod: Type.Optional(
    Type.String({ pattern: "^pm_[A-Za-z0-9_]{1,250}$", description: "a payment method of the provider, pm_…" }),
  ),
  confirmationToken: Type.Optional(
    Type.String({
      pattern: "^ctoken_[A-Za-z0-9_]{1,240}$",
      description: "made in the browser by Stripe's Payment Element, ctoken_…; good for one try",
    }),
  ),
};
const oneCard = { oneOf: [{ required: ["paymentMethod"] }, { required: ["confirmationToken"] }] };

// Postgres' jsonb takes neither a NUL nor half a surrogate pair.
const metadata = Type.Record(
  Type.String({ pattern: "^[^\\p{Cc}\\p{Cs}]{1,40}$" }),
  Type.String({ maxLength: 500, pattern: "^(?:[\\t\\n\\r]|[^\\p{Cc}\\p{Cs}])*$" }),
  {
    maxProperties: 20,
    additionalProperties: false,
    description:
      "the shop's own, kept with the order and shown again: at most 20 names of up to 40 characters with values of up to 500, 4 KB in all; no card data",
  },
);
/** Of names and values together, in bytes of UTF-8. */
export const maxMetadataBytes = 4_096;

export const orderPage = Type.Object(
  {
    orders: Type.Array(orderBody),
    next: nullable(Type.String({ description: "what `after` takes for the next page; null on the last" })),
  },
  { title: "OrderPage" },
);

export const purchaseBody = Type.Object(
  {
    quantity: Type.Optional(Type.Integer({ minimum: 1, maximum: maxQuantity, default: 1 })),
    ...card,
    metadata: Type.Optional(metadata),
  },
  {
    title: "Purchase",
    additionalProperties: false,
    ...oneCard,
    examples: [examplePurchase],
  },
);

export const paymentBody = Type.Object(card, { title: "Payment", additionalProperties: false, ...oneCard });

/** The card that a checked body names. */
export function cardIn(body: Static<typeof paymentBody>): string {
  const named = body.paymentMethod ?? body.confirmationToken;
  invariant(named !== undefined, "the schema asks for exactly one card");
  return named;
}

export const waitHeaders = Type.Object({
  prefer: Type.Optional(
    Type.String({ description: "wait=N (RFC 7240): the answer is held for a change, N seconds at most, N up to 30" }),
  ),
});

export const tagHeaders = Type.Object({
  "if-none-match": Type.Optional(Type.String({ description: "an ETag: 304 where nothing has changed since" })),
});

export const orderHeaders = Type.Object({ ...waitHeaders.properties, ...tagHeaders.properties });

/** A page of a list; limits are not coerced into numbers by the schema. */
export const pageQuery = Type.Object(
  {
    limit: Type.Optional(Type.String({ pattern: "^(100|[1-9][0-9]?)$", description: "from 1 to 100 (50)" })),
    after: Type.Optional(Type.String({ maxLength: 64, description: "`next` of the page before" })),
  },
  { additionalProperties: false },
);

export const keyHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      pattern: "^[\\x21-\\x7e]{1,255}$",
      description: "1 to 255 visible ASCII characters; a repeat is the same order, or the same try of a card",
    }),
  ),
});

export const purchaseHeaders = Type.Object({ ...waitHeaders.properties, ...keyHeaders.properties });

export const sessionBody = Type.Object(
  {
    token: Type.String({ description: "sent as Authorization: Bearer …" }),
    shopperId: Type.String(),
    expiresAt: instant,
  },
  { title: "Session" },
);

const terms = {
  name: Type.String({ minLength: 1, maxLength: 200, pattern: "^[^\\p{Cc}\\p{Cs}]*$" }),
  price: Type.Integer({ minimum: 1, maximum: maxAmountMinor, description: "per unit, in the currency's minor unit" }),
  currency: Type.String({ pattern: "^[a-z]{3}$", description: "ISO 4217, lower case" }),
  opensAt: Type.Optional(nullable(instant)),
  closesAt: Type.Optional(nullable(instant)),
  maxPerShopper: Type.Optional(nullable(Type.Integer({ minimum: 1, maximum: 1_000_000 }))),
};
const holdSeconds = { minimum: 1, maximum: 604_800 };
const paymentRetries = { minimum: 0, maximum: 20 };

export const opsItemRequest = Type.Object(
  {
    ...terms,
    units: Type.Integer({ minimum: 0, maximum: 10_000_000, description: "put on sale" }),
    holdSeconds: Type.Optional(Type.Integer({ ...holdSeconds, default: 600 })),
    paymentRetries: Type.Optional(Type.Integer({ ...paymentRetries, default: 0 })),
  },
  { title: "ItemTerms", additionalProperties: false },
);

/** Any of the terms, without defaults: what is not named stays. Units are changed by restocking. */
export const changeItemRequest = Type.Partial(
  Type.Object({ ...terms, holdSeconds: Type.Integer(holdSeconds), paymentRetries: Type.Integer(paymentRetries) }),
  { title: "ItemChange", additionalProperties: false },
);

export const opsItemBody = Type.Object(
  {
    ...itemBody.properties,
    stocked: Type.Integer({ description: "all units ever placed on sale, less those withdrawn" }),
    holdSeconds: Type.Integer(),
    paymentRetries: Type.Integer(),
    maxPerShopper: nullable(Type.Integer()),
    paused: Type.Boolean({ description: "whether operations have stopped its sale for now" }),
  },
  { title: "ItemForOperations" },
);

export const putItemBody = Type.Object(
  {
    ...opsItemBody.properties,
    warnings: Type.Optional(
      Type.Array(Type.Object({ code: Type.String(), detail: Type.String() }), {
        description: "what is allowed, and will hardly be what was meant",
      }),
    ),
  },
  { title: "PutItem" },
);

export const restockRequest = Type.Object(
  {
    units: Type.Integer({
      minimum: -10_000_000,
      maximum: 10_000_000,
      description: "negative withdraws",
    }),
  },
  { title: "Restock", additionalProperties: false },
);

const books = {
  stocked: Type.Integer({ description: "inventory + reserved + confirmed, where the books balance" }),
  inventory: Type.Integer({ description: "units left to reserve" }),
  reserved: Type.Integer({ description: "units held for orders that are not paid yet" }),
  confirmed: Type.Integer({ description: "units of paid orders" }),
  balanced: Type.Boolean(),
};

export const booksBody = Type.Object({ itemId: Type.String(), ...books }, { title: "Books" });

export const opsItemWithBooks = Type.Object(
  {
    ...opsItemBody.properties,
    books: Type.Object(books),
    refunded: Type.Integer({ description: "units of refunded orders" }),
    taken: Type.Integer({ description: "of all orders that were ever confirmed, in the currency's minor unit" }),
    refundedAmount: Type.Integer({ description: "what of it went back" }),
  },
  { title: "ItemWithBooks" },
);
export const opsItemList = Type.Object({ items: Type.Array(opsItemWithBooks) }, { title: "ItemsWithBooks" });

/**
 * An event of the payment provider, as far as it is looked at:
 * https://docs.stripe.com/api/events/object
 */
export const webhookBody = Type.Object({
  id: Type.String({ pattern: "^evt_[A-Za-z0-9_]{1,250}$" }),
  type: Type.String({ minLength: 1, maxLength: 255, pattern: "^[\\x21-\\x7e]*$" }),
  data: Type.Object({
    object: Type.Object({
      object: Type.Optional(Type.String({ description: "payment_intent, charge, …" })),
      id: Type.Optional(Type.Unknown()),
      payment_intent: Type.Optional(Type.Unknown({ description: "the payment's id, in an event about a charge" })),
      metadata: Type.Optional(Type.Unknown({ description: "ours: the order's id" })),
    }),
  }),
});

export const webhookHeaders = Type.Object({
  "stripe-signature": Type.Optional(
    Type.String({ description: "over the raw body: https://docs.stripe.com/webhooks#verify-manually" }),
  ),
});

export const problemBody = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: oneOf(Object.keys(problems)),
    errors: Type.Optional(Type.Array(Type.Object({ field: Type.String(), message: Type.String() }))),
    requestId: Type.Optional(Type.String()),
  },
  {
    title: "Problem",
    description: "RFC 9457",
    examples: [exampleProblem],
  },
);
