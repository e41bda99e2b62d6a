import { type TSchema, Type } from "typebox";
import { type ProblemCode, problems } from "./http/problems.ts";
import { itemBody, orderBody, orderPage, problemBody } from "./schemas.ts";

/** The answers of the HTTP contract: what each says, with its headers, for the description. */

const optional = { "x-optional": true };
const etag = { etag: { type: "string", description: "what If-None-Match takes" } };
const retryAfter = { "retry-after": { type: "integer", description: "seconds" } };
const retryWhileOpen = {
  "retry-after": { type: "integer", description: "seconds, while it is not final", ...optional },
};
const cached = { ...etag, "cache-control": { type: "string" } };
const location = { location: { type: "string", description: "where to follow the order: /orders/{id}" } };
const applied = {
  "preference-applied": { type: "string", description: "wait=N, where it was asked for", ...optional },
};
const mayRetryAfter = { "retry-after": { ...retryAfter["retry-after"], ...optional } };

/** An answer's schema with what is said of the answer, and its headers. */
export function described<T extends TSchema>(schema: T, description: string, headers?: object): T {
  return { ...schema, "x-response-description": description, ...(headers && { headers }) };
}

export const aPage = described(orderPage, "a page of orders");
export const followedOrder = described(orderBody, "the order", { ...etag, ...retryWhileOpen, ...applied });
const accepted = { ...location, ...etag, ...retryAfter };
export const acceptedOrder = described(orderBody, "the order, in line or as it stands", { ...accepted, ...applied });
export const paidOrder = described(orderBody, "the order, to be paid with the other card", accepted);
export const cancelledOrder = described(orderBody, "the order, cancelled", etag);
export const cachedItem = described(itemBody, "the item", cached);
export const cachedItems = described(Type.Array(itemBody), "all items, by id", cached);

/** No schema: there is no body. */
const notModified = (headers: object) =>
  ({ description: "it is as the client has it", type: "null", headers }) as const;
export const orderNotModified = notModified({ ...etag, ...retryWhileOpen, ...applied });
export const itemNotModified = notModified(cached);

const fromAny = ["rate_limited", "headers_too_large", "internal", "unavailable"] as const;

/** What a JSON body may be refused for, whatever it is about. */
export const bodyRefusals = ["invalid_request", "payload_too_large", "unsupported_media_type"] as const;

/**
 * The refusals a route may answer, as its OpenAPI responses, by status; some may come from any
 * route.
 */
export function refusals(...codes: ProblemCode[]) {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of [...codes, ...fromAny]) {
    const { status } = problems[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].map(([status, some]) => [status, refusal(status, some)]));
}

function refusal(status: number, codes: readonly ProblemCode[]) {
  const description = codes.map((code) => `\`${code}\`: ${problems[code].title}`).join("; ");
  const content = { "application/problem+json": { schema: problemBody } };
  const headers = refusalHeaders(status, codes);
  return { description, ...(headers && { headers }), content };
}

const count = { type: "integer", ...optional };
const limits = { "ratelimit-limit": count, "ratelimit-remaining": count, "ratelimit-reset": count };
const waitsFor = new Set<ProblemCode>(["sale_not_open", "payment_in_progress"]);

function refusalHeaders(status: number, codes: readonly ProblemCode[]) {
  switch (status) {
    case 401:
      return { "www-authenticate": { type: "string" } };
    case 409:
      return codes.some((code) => waitsFor.has(code)) ? mayRetryAfter : null;
    case 429:
      return { ...retryAfter, ...limits };
    case 503:
      return retryAfter;
    default:
      return null;
  }
}

/** The 503 of a purchase. */
export const maybeAccepted = {
  ...refusal(503, ["busy", "unavailable"]),
  headers: {
    ...retryAfter,
    location: {
      type: "string",
      description: "where to look for the order, which may be in line all the same",
      ...optional,
    },
  },
};
