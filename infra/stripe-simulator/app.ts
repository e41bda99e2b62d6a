import { setTimeout as sleep } from "node:timers/promises";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import qs from "qs";
import { IdempotencyKeys, type SavedAnswer } from "./idempotency.ts";
import {
  type CreateParameters,
  cancelIntent,
  confirmIntent,
  createIntent,
  newId,
  type PaymentIntent,
} from "./payment-intents.ts";
import { invalidRequest, StripeApiError } from "./stripe-error.ts";

export interface SimulatorSettings {
  /** Added to every request under /v1, as a bank's answer would take. */
  latencyMs: number;
}

/** One payment as an auditor wants it. */
export interface LedgerEntry {
  id: string;
  orderId: string | null;
  itemId: string | null;
  amount: number;
  amountReceived: number;
  currency: string;
  status: PaymentIntent["status"];
}

/**
 * A payment provider that speaks Stripe's wire format: form-encoded requests, its error envelope, its idempotency keys, its
 * object shapes, its test payment methods. Everything is in memory; `/_simulator` shows the ledger and takes settings.
 */
export function buildSimulator(settings: SimulatorSettings): FastifyInstance {
  const app = Fastify({ bodyLimit: 64 * 1024 });
  const intents = new Map<string, PaymentIntent>();
  const keys = new IdempotencyKeys();
  const current = { ...settings };

  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) => {
    done(null, qs.parse(body as string));
  });
  app.setErrorHandler((error, request, reply) => {
    const known =
      error instanceof StripeApiError ? error : new StripeApiError(500, { type: "api_error", message: String(error) });
    return reply.code(known.status).header("request-id", request.id).send({ error: known.body });
  });

  const find = (id: string): PaymentIntent => {
    const intent = intents.get(id);
    if (intent) return intent;
    throw invalidRequest(`No such payment_intent: '${id}'`, { code: "resource_missing", param: "intent" }, 404);
  };

  /** Carries out a POST under its Idempotency-Key, or answers what was answered before. */
  const post = (path: string, act: (request: FastifyRequest<{ Params: { id: string } }>) => PaymentIntent) => {
    app.post<{ Params: { id: string } }>(path, async (request, reply) => {
      requireKey(request);
      const key = idempotencyKey(request);
      const saved = keys.begin(key, `${request.url}?${JSON.stringify(request.body ?? {})}`);
      if (saved) return answer(reply.header("idempotent-replayed", "true"), saved);
      await sleep(current.latencyMs);
      const result = carryOut(() => act(request));
      // Refused parameters leave no saved answer: https://docs.stripe.com/api/idempotent_requests
      if (result.status === 400 || result.status === 404) keys.forget(key);
      else keys.finish(key, result);
      return answer(reply, result);
    });
  };

  post("/v1/payment_intents", (request) => {
    const parameters = (request.body ?? {}) as CreateParameters;
    const intent = createIntent(parameters, Date.now());
    intents.set(intent.id, intent);
    if (parameters.confirm === "true") confirmIntent(intent, undefined);
    return intent;
  });
  post("/v1/payment_intents/:id/confirm", (request) => {
    const intent = find(request.params.id);
    confirmIntent(intent, (request.body as { payment_method?: string } | undefined)?.payment_method);
    return intent;
  });
  post("/v1/payment_intents/:id/cancel", (request) => {
    const intent = find(request.params.id);
    cancelIntent(
      intent,
      (request.body as { cancellation_reason?: string } | undefined)?.cancellation_reason,
      Date.now(),
    );
    return intent;
  });
  app.get<{ Params: { id: string } }>("/v1/payment_intents/:id", async (request) => {
    requireKey(request);
    await sleep(current.latencyMs);
    return find(request.params.id);
  });

  app.get("/_simulator/ledger", async () => ({ payments: [...intents.values()].map(ledgerEntry) }));
  app.put<{ Body: Partial<SimulatorSettings> }>("/_simulator/settings", async (request) => {
    return Object.assign(current, request.body);
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `Unrecognized request URL (${request.method}: ${request.url}).`;
    return reply.code(404).send({ error: invalidRequest(message).body });
  });
  return app;
}

function carryOut(act: () => object): SavedAnswer {
  try {
    // A copy: the saved answer shows the object as it was then.
    return { status: 200, body: structuredClone(act()) };
  } catch (error) {
    if (error instanceof StripeApiError) return { status: error.status, body: { error: error.body } };
    throw error;
  }
}

function answer(reply: FastifyReply, saved: SavedAnswer) {
  return reply.code(saved.status).header("request-id", newId("req")).send(saved.body);
}

function idempotencyKey(request: FastifyRequest): string {
  const given = request.headers["idempotency-key"];
  return typeof given === "string" ? given : newId("key");
}

function requireKey(request: FastifyRequest): void {
  if (/^(Bearer|Basic) ./.test(request.headers.authorization ?? "")) return;
  throw invalidRequest("You did not provide an API key.", {}, 401);
}

function ledgerEntry(intent: PaymentIntent): LedgerEntry {
  return {
    id: intent.id,
    orderId: intent.metadata.orderId ?? null,
    itemId: intent.metadata.itemId ?? null,
    amount: intent.amount,
    amountReceived: intent.amount_received,
    currency: intent.currency,
    status: intent.status,
  };
}
