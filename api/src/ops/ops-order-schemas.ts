import { orderStatuses } from "@holdfast/shared/order.ts";
import { Type } from "typebox";
import { nullable, orderBody, pageQuery } from "../schemas.ts";

/** The bodies of what operations see of orders. */

const { payment: _, ...shown } = orderBody.properties;
const instant = Type.String({ format: "date-time" });
const text = Type.String();
const open = { additionalProperties: true };

export const refundShape = Type.Object({ requestedAt: instant, returnUnits: Type.Boolean(), reason: nullable(text) });

const opsOrder = {
  ...shown,
  payment: Type.Object({ status: nullable(text), declineCode: nullable(text) }),
  shopperId: text,
  paymentIntent: nullable(Type.String({ description: "the provider's id of the payment that the order goes by" })),
  attempts: Type.Integer(),
  refundedAmount: Type.Integer({ description: "in the currency's minor unit" }),
  disputed: Type.Boolean(),
  refund: nullable(refundShape),
};

export const opsOrderBody = Type.Object(opsOrder, { title: "OrderForOperations" });

export const opsOrderPage = Type.Object(
  { orders: Type.Array(opsOrderBody), next: nullable(Type.String({ description: "what `after` takes" })) },
  { title: "OrderPageForOperations" },
);

const orderEvent = Type.Object({
  at: instant,
  event: text,
  from: text,
  to: text,
  detail: Type.Object({}, open),
  sentence: Type.String({ description: "what happened, to be read to a customer" }),
});

export const opsOrderStory = Type.Object(
  {
    ...opsOrder,
    events: Type.Array(orderEvent, { description: "oldest first" }),
    otherPayments: Type.Array(
      Type.Object({
        paymentIntent: nullable(text),
        nextStep: nullable(text),
        outcome: nullable(text),
        noticedAt: instant,
      }),
      { description: "payments at the provider that the order does not go by" },
    ),
  },
  { title: "OrderStory" },
);

/** Postgres' text takes neither a NUL nor half a surrogate pair. */
export const readable = "^[^\\p{Cc}\\p{Cs}]*$";

export const opsOrderQuery = Type.Object(
  {
    ...pageQuery.properties,
    item: Type.Optional(Type.String({ maxLength: 64, pattern: readable })),
    status: Type.Optional(Type.String({ enum: [...orderStatuses] })),
    shopper: Type.Optional(Type.String({ maxLength: 255, pattern: readable })),
    payment: Type.Optional(Type.String({ maxLength: 255, pattern: readable, description: "the provider's id, pi_…" })),
  },
  { additionalProperties: false },
);
