import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "./clock.ts";
import type { FaultKind, Faults } from "./faults.ts";
import type { IdempotencyKeys, SavedAnswer } from "./idempotency.ts";
import { newId } from "./payment-intents.ts";
import { outageOf, type Rules } from "./settings.ts";
import { invalidRequest, StripeApiError } from "./stripe-error.ts";

/** What was asked of the provider, for whoever counts. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly atMs: number;
}

/** What every request under /v1 passes through. */
export interface GateParts {
  readonly clock: Clock;
  readonly rules: Readonly<Rules>;
  readonly faults: Faults;
  readonly keys: IdempotencyKeys;
  readonly seen: SeenRequest[];
}

type WithId = { Params: { id: string } };

/** Which of the account's keys a route takes: a browser has only the publishable one. */
type TakenKeys = "secret" | "both";

/**
 * Registers routes under /v1 that answer as the provider does on a good or a bad day: its keys are
 * checked, what is to go wrong goes wrong before or after the request is carried out, and a POST is
 * carried out once per Idempotency-Key.
 */
export function apiGate(app: FastifyInstance, parts: GateParts) {
  const { rules, keys } = parts;

  const get = (path: string, act: (request: FastifyRequest<WithId>) => object, taken: TakenKeys = "secret") => {
    app.get<WithId>(path, async (request, reply) => {
      const fault = await begin(request, parts, taken);
      if (fault === "never") return reply.hijack();
      if (fault?.startsWith("reset")) return breakConnection(request, reply);
      if (fault?.startsWith("error")) throw somethingWentWrong();
      return answer(reply, { status: 200, body: act(request) });
    });
  };

  const post = <Body>(path: string, act: (id: string, body: Body) => object, taken: TakenKeys = "secret") => {
    app.post<WithId & { Body: Body | undefined }>(path, async (request, reply) => {
      const fault = await begin(request, parts, taken);
      if (fault === "never") return reply.hijack();
      if (fault === "reset_before") return breakConnection(request, reply);
      const key = idempotencyKey(request);
      const saved = keys.begin(key, `${request.url}?${JSON.stringify(request.body ?? {})}`);
      if (saved) {
        if (fault === "reset_after") return breakConnection(request, reply);
        return answer(reply.header("idempotent-replayed", "true"), saved);
      }
      await sleep(rules.latencyMs);
      const result =
        fault === "error_before"
          ? asAnswer(somethingWentWrong())
          : carryOut(() => act(request.params.id, (request.body ?? {}) as Body));
      const told = fault === "error_after" ? asAnswer(somethingWentWrong()) : result;
      // Refused parameters leave no saved answer: https://docs.stripe.com/api/idempotent_requests
      if (told.status === 400 || told.status === 404) keys.forget(key);
      else keys.finish(key, told);
      if (fault === "reset_after") return breakConnection(request, reply);
      return answer(reply, told);
    });
  };
  return { get, post };
}

/**
 * Notes a request, and lets go wrong what is to go wrong before it is carried out.
 * @returns the fault that is left to the caller
 */
async function begin(request: FastifyRequest, parts: GateParts, taken: TakenKeys): Promise<FaultKind | null> {
  const { clock, rules, faults, seen } = parts;
  seen.push({ method: request.method, path: request.url, atMs: clock.nowMs() });
  const outage = outageOf(rules, clock);
  if (outage === "broken_connection") return "reset_before";
  if (outage) throw new StripeApiError(503, { type: "api_error", message: "The provider is unavailable." });
  requireKey(request, rules.secretKey, taken);
  const fault = faults.pick(request.method, request.url);
  await sleep(rules.latencyMs + (fault?.kind === "latency" ? fault.ms : 0));
  if (fault?.kind === "permission") {
    throw invalidRequest("The provided key does not have the required permissions for this endpoint.", {}, 403);
  }
  if (fault?.kind === "restricted") throw invalidRequest("Your account cannot currently make charges.");
  if (fault?.kind === "rate_limited") {
    throw invalidRequest("Too many requests.", { code: "rate_limit" }, 429);
  }
  return fault?.kind ?? null;
}

function requireKey(request: FastifyRequest, only: string | null, taken: TakenKeys): void {
  const given = givenKey(request.headers.authorization ?? "");
  if (given === null) throw invalidRequest("You did not provide an API key.", {}, 401);
  if (hasPublishableKey(request)) {
    if (taken === "both") return;
    const message = "This API call cannot be made with a publishable API key. Please use a secret API key.";
    throw invalidRequest(message, { code: "secret_key_required" }, 403);
  }
  if (only === null || given === only) return;
  const masked = `${given.slice(0, 8)}${"*".repeat(Math.max(0, given.length - 12))}${given.slice(8).slice(-4)}`;
  throw invalidRequest(`Invalid API Key provided: ${masked}`, {}, 401);
}

/** Whether it comes from a browser, which may only see what its shopper may. */
export function hasPublishableKey(request: FastifyRequest): boolean {
  return givenKey(request.headers.authorization ?? "")?.startsWith("pk_") ?? false;
}

/** Stripe takes a key as a bearer token, or as the user of Basic authentication. */
function givenKey(authorization: string): string | null {
  const [, scheme, credentials = ""] = /^(Bearer|Basic) (.+)$/.exec(authorization) ?? [];
  if (!scheme) return null;
  return scheme === "Bearer" ? credentials : (Buffer.from(credentials, "base64").toString().split(":")[0] ?? "");
}

function idempotencyKey(request: FastifyRequest): string {
  const given = request.headers["idempotency-key"];
  return typeof given === "string" ? given : newId("key");
}

function carryOut(act: () => object): SavedAnswer {
  try {
    // A copy: the saved answer shows the object as it was then.
    return { status: 200, body: structuredClone(act()) };
  } catch (error) {
    if (error instanceof StripeApiError) return asAnswer(error);
    throw error;
  }
}

function somethingWentWrong(): StripeApiError {
  return new StripeApiError(500, { type: "api_error", message: "Something went wrong." });
}

function breakConnection(request: FastifyRequest, reply: FastifyReply) {
  reply.hijack();
  request.raw.socket.destroy();
}

function asAnswer(error: StripeApiError): SavedAnswer {
  return { status: error.status, body: { error: error.body } };
}

/** Sends an error as Stripe does. */
export function answerError(reply: FastifyReply, error: StripeApiError) {
  if (error.status === 429) reply.header("retry-after", "1");
  return answer(reply, asAnswer(error));
}

function answer(reply: FastifyReply, saved: SavedAnswer) {
  return reply.code(saved.status).header("request-id", newId("req")).send(saved.body);
}
