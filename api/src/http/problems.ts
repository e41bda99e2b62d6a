import { isOutage } from "@holdfast/shared/outage.ts";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { TooManyWaiting } from "../coalesce.ts";
import { apiHeaders } from "./secure-headers.ts";

/**
 * Every refusal there is, in one catalogue: code → status, title, and what to do about it, which is
 * what its page under /problems says. Answers are RFC 9457 problem details; `code` is what programs
 * go by and never changes.
 */
export const problems = {
  unauthenticated: {
    status: 401,
    title: "Sign in first",
    remedy: "Send a shopper's token that is valid and not expired, or sign in as operations.",
  },
  foreign_page: {
    status: 403,
    title: "Not from another page",
    remedy: "Operations act from their own page, or by a program that is no browser.",
  },
  forbidden: {
    status: 403,
    title: "Not with this role",
    remedy: "This operator may look and not act. Sign in as one with the role act.",
  },
  precondition_failed: {
    status: 412,
    title: "It was changed meanwhile",
    remedy: "If-Match names an older state. Read it again, and change it as it is now.",
  },
  item_exists: {
    status: 409,
    title: "Another item has this id",
    remedy: "PUT creates an item. Change the one that is there with PATCH, its units with restock.",
  },
  item_kept: {
    status: 409,
    title: "The item is kept",
    remedy: "Only the item of a rehearsal (rehearsal-…) is deleted, when none of its orders is in line or held.",
  },
  order_not_refundable: {
    status: 409,
    title: "The order cannot be refunded",
    remedy:
      "Only a confirmed order has money to refund, and none of which its shopper's bank has disputed the payment.",
  },
  order_not_found: {
    status: 404,
    title: "Order not found",
    remedy:
      "There is none with this id, or it is somebody else's. After a fault the detail says whether orders in line were lost.",
  },
  item_not_found: { status: 404, title: "Item not found", remedy: "GET /items lists what there is." },
  lane_not_found: { status: 404, title: "Lane not found", remedy: "Lanes are numbered from 0 to PURCHASE_LANES - 1." },
  job_not_found: { status: 404, title: "Job not found", remedy: "It was done with, or removed, meanwhile." },
  route_not_found: { status: 404, title: "There is nothing here", remedy: "See /docs for the addresses there are." },
  method_not_allowed: {
    status: 405,
    title: "That cannot be done here",
    remedy: "The Allow header names the methods that this address takes.",
  },
  out_of_stock: {
    status: 409,
    title: "Out of stock",
    remedy: "All units are sold or held for others. Watch the item: a unit comes back where a payment fails.",
  },
  sale_not_open: {
    status: 409,
    title: "The sale is not open yet",
    remedy: "Buy when it opens: Retry-After says in how many seconds, opensAt of the item when.",
  },
  sale_paused: {
    status: 409,
    title: "The sale is paused",
    remedy: "Operations have stopped the sale for now. Orders in line and held units go on; watch the item.",
  },
  sale_ended: { status: 409, title: "The sale is over", remedy: "Nothing more is sold of this item." },
  payment_in_progress: {
    status: 409,
    title: "A payment is under way",
    remedy: "It cannot be cancelled now. Ask again after Retry-After seconds, when it is decided.",
  },
  payment_not_expected: {
    status: 409,
    title: "No other card is expected",
    remedy: "The order is paid, settled or being charged, its hold is over, or the item allows no further card.",
  },
  order_settled: { status: 409, title: "The order is settled", remedy: "It is final and cannot be cancelled." },
  shopper_has_open_orders: {
    status: 409,
    title: "An order is not settled yet",
    remedy: "Forget a shopper when none of their orders is in line or held.",
  },
  job_not_dead: {
    status: 409,
    title: "The job is not dead",
    remedy: "Only a job in the failed set is put in line again.",
  },
  insufficient_inventory: {
    status: 409,
    title: "Fewer units are unsold",
    remedy: "Withdraw no more units than the item's inventory has.",
  },
  invalid_request: {
    status: 400,
    title: "The request does not fit",
    remedy: 'errors names each field and what is wrong with it. Values are not coerced: "2" is no quantity.',
  },
  request_timeout: {
    status: 408,
    title: "The request took too long",
    remedy: "Send it again; a purchase under the same Idempotency-Key.",
  },
  payload_too_large: { status: 413, title: "The body is too large", remedy: "No body of this API is above a few KB." },
  unsupported_media_type: {
    status: 415,
    title: "The body must be application/json",
    remedy: "Send the body as JSON with Content-Type: application/json.",
  },
  idempotency_key_reused: {
    status: 422,
    title: "This Idempotency-Key was used for another purchase",
    remedy: "A key belongs to one purchase, or one try of a card. Make a new one for another.",
  },
  rate_limited: {
    status: 429,
    title: "Too many requests",
    remedy: "Wait for Retry-After seconds. A long poll (Prefer: wait) needs far fewer requests than polling.",
  },
  headers_too_large: { status: 431, title: "The headers are too large", remedy: "Send fewer or shorter headers." },
  busy: {
    status: 503,
    title: "Too many are in line",
    remedy: "The line is full. Buy again after Retry-After seconds, under the same Idempotency-Key.",
  },
  unavailable: {
    status: 503,
    title: "Not available at the moment",
    remedy:
      "Ask again after Retry-After seconds. A purchase may be in line all the same where there is a Location: look there, or repeat it under the same Idempotency-Key, before buying again.",
  },
  internal: {
    status: 500,
    title: "Something went wrong on our side",
    remedy: "Nothing was promised. Tell us the requestId; repeat a purchase only under the same Idempotency-Key.",
  },
} as const;

export type ProblemCode = keyof typeof problems;

export interface FieldError {
  /** Where: `body/quantity`, `headers/idempotency-key`. */
  readonly field: string;
  readonly message: string;
}

/**
 * What is limited: requests by client address or by shopper, new sessions, purchases on their way
 * into the line, waits of a shopper, wrong passwords.
 */
export type LimitName = "address" | "shopper" | "sessions" | "purchases" | "waits" | "passwords";

interface ProblemExtras {
  readonly fields?: readonly FieldError[];
  readonly retryAfterSeconds?: number;
  readonly location?: string;
  readonly limit?: number;
  readonly limitedBy?: LimitName;
}

/** A refusal on its way out. Thrown by routes and hooks, answered by `answerProblem`. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly fields: readonly FieldError[];
  readonly retryAfterSeconds: number | null;
  /** Where to look, although it was refused. */
  readonly location: string | null;
  /** How many requests are allowed in the window that is used up. */
  readonly limit: number | null;
  /** Which limit was exceeded, where one was. */
  readonly limitedBy: LimitName | null;
  constructor(code: ProblemCode, detail: string, more: ProblemExtras = {}) {
    // Expected, and met by crowds: nobody looks at where it was thrown, and noting that is most of
    // what it costs.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(detail);
    Error.stackTraceLimit = stackTraceLimit;
    this.name = "Problem";
    this.code = code;
    this.fields = more.fields ?? [];
    this.retryAfterSeconds = more.retryAfterSeconds ?? null;
    this.location = more.location ?? null;
    this.limit = more.limit ?? null;
    this.limitedBy = more.limitedBy ?? null;
  }
  get statusCode(): number {
    return problems[this.code].status;
  }
}

declare module "fastify" {
  interface FastifyRequest {
    /** Why it was refused; null while it was not. */
    refusedWith: Problem | null;
  }
}

/** A field that does not fit in a way that no schema can say: `body/units`, `querystring/after`. */
export function fieldProblem(field: string, message: string): Problem {
  return new Problem("invalid_request", `${field} ${message}`, { fields: [{ field, message }] });
}

/** Redis, or Postgres for what needs it, is unavailable. */
export function unavailable(): Problem {
  return new Problem("unavailable", "A part of the shop does not answer; nothing was lost. Try again in a moment.", {
    retryAfterSeconds: 2,
  });
}

/**
 * Too many of them: told when the window of the limit is over.
 * @param limit how many are allowed in it, where that is known
 */
export function slowDown(remainingMs: number, limitedBy: LimitName, limit?: number): Problem {
  const retryAfterSeconds = Math.max(1, Math.ceil(remainingMs / 1000));
  const window = limit === undefined ? {} : { limit };
  return new Problem("rate_limited", "Slow down a little.", { retryAfterSeconds, limitedBy, ...window });
}

/** https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-07 */
function rateLimitHeaders(limit: number, resetSeconds: number) {
  return { "ratelimit-limit": limit, "ratelimit-remaining": 0, "ratelimit-reset": resetSeconds };
}

/** A refusal that crowds meet, made once. */
export interface ReadyProblem {
  readonly problem: Problem;
  readonly body: string;
}

export function readyProblem(code: ProblemCode, detail: string, more?: { retryAfterSeconds: number }): ReadyProblem {
  const problem = new Problem(code, detail, more);
  return { problem, body: JSON.stringify(problemDocument(problem)) };
}

/**
 * Answers with a refusal as `answerProblem` would, at the end of this turn of the event loop. Under
 * a crowd all requests of a turn are read first and answered then: an answer written between two
 * reads wakes up whoever waits for it, each time, and that halves what a server answers in a
 * second.
 */
export function sendReadyProblem(reply: FastifyReply, { problem, body }: ReadyProblem): void {
  reply.request.refusedWith = problem;
  setImmediate(() => {
    if (problem.retryAfterSeconds !== null) reply.header("retry-after", problem.retryAfterSeconds);
    void reply.code(problem.statusCode).type(problemType).send(body);
  });
}

const problemType = "application/problem+json; charset=utf-8";

/**
 * Turns whatever was thrown into a problem answer. Only the unforeseen is logged as an error, and
 * nothing of it is shown.
 */
export function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error);
  request.refusedWith = problem;
  if (problem.code === "internal") request.log.error({ err: error, requestId: request.id }, "unforeseen error");
  if (problem.code === "unavailable") request.log.debug({ err: error }, "refused: a part is unavailable"); // one per request of a crowd
  if (problem.retryAfterSeconds !== null) reply.header("retry-after", problem.retryAfterSeconds);
  if (problem.limit !== null) reply.headers(rateLimitHeaders(problem.limit, problem.retryAfterSeconds ?? 0));
  if (problem.location !== null) reply.header("location", problem.location);
  if (problem.code === "unauthenticated" && !reply.hasHeader("www-authenticate"))
    reply.header("www-authenticate", "Bearer");
  if (!reply.hasHeader("x-content-type-options")) reply.headers(apiHeaders); // it was refused before it came to a route
  return reply
    .code(problem.statusCode)
    .type(problemType)
    .serializer(JSON.stringify) // not by the route's schemas: what refuses it need not be the route
    .send({ ...problemDocument(problem), ...(problem.code === "internal" && { requestId: request.id }) });
}

/** Where a problem is explained: its RFC 9457 type, relative to the API. */
export function problemTypeOf(code: ProblemCode): string {
  return `/problems/${code}`;
}

const maxFields = 20; // an error for each of a thousand unknown fields would make us answer with more than we were sent

/** A problem as RFC 9457 has it. */
function problemDocument(problem: Problem) {
  const { status, title } = problems[problem.code];
  return {
    type: problemTypeOf(problem.code),
    title,
    status,
    detail: problem.message,
    code: problem.code,
    ...(problem.fields.length > 0 && { errors: problem.fields }),
  };
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isOutage(error) || error instanceof TooManyWaiting) return unavailable();
  const { code, statusCode, validation, message } = error as Partial<FastifyError>;
  if (validation) {
    const context = (error as FastifyError).validationContext ?? "body";
    const fields = validation
      .filter(({ schemaPath }) => !schemaPath.startsWith("#/oneOf/")) // said once, by the alternative itself
      .slice(0, maxFields)
      .map((v) => fieldError(context, v.instancePath, v.params, v.message));
    const detail = fields.map((f) => `${f.field} ${f.message}`).join("; ");
    return new Problem("invalid_request", detail, { fields });
  }
  if (statusCode === 401) return new Problem("unauthenticated", "Sign in as operations.");
  if (statusCode === 413) return new Problem("payload_too_large", "The body is larger than this route takes.");
  if (statusCode === 415) return new Problem("unsupported_media_type", "Send the body as application/json.");
  if (code === "FST_ERR_BAD_URL") return new Problem("invalid_request", "The address is not a well-formed URL.");
  if (statusCode === 403 || statusCode === 404 || statusCode === 414) {
    return new Problem("route_not_found", "Nothing has this address.");
  }
  if (statusCode === 400 && message) return new Problem("invalid_request", message);
  return new Problem("internal", "The error was noted; the request id helps us find it.");
}

function fieldError(
  context: string,
  path: string,
  params: Record<string, unknown>,
  message = "does not fit",
): FieldError {
  const missing = params.missingProperty ?? params.additionalProperty;
  const field = `${context}${path}${typeof missing === "string" ? `/${missing}` : ""}`;
  if (params.passingSchemas !== undefined) {
    return { field: `${field}/paymentMethod`, message: "or a confirmationToken is needed, and not both" };
  }
  if (params.missingProperty !== undefined) return { field, message: "is missing" };
  if (params.additionalProperty !== undefined) return { field, message: "is not known here" };
  return { field, message };
}
