import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import qs from "qs";
import { Faults, type RandomFaults, type ScriptedFault } from "./faults.ts";
import { IdempotencyKeys, type SavedAnswer } from "./idempotency.ts";
import { type CreateParameters, newId, type PaymentIntent } from "./payment-intents.ts";
import { Provider, type ProviderEvent } from "./provider.ts";
import { invalidRequest, StripeApiError } from "./stripe-error.ts";
import { WebhookSender, type WebhookSettings } from "./webhooks.ts";

export interface SimulatorSettings {
  /** Added to every request under /v1, as a bank's answer would take. */
  latencyMs: number;
  webhooks?: WebhookSettings | null;
  randomFaults?: RandomFaults | null;
  /** Where payments are remembered from one run to the next; nowhere unless given. */
  file?: string;
}

/** What was asked of the provider, for whoever counts. */
interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly atMs: number;
}

/**
 * A payment provider that speaks Stripe's wire format: form-encoded requests, its error envelope, idempotency keys, object shapes, test
 * payment methods, signed webhooks. Everything is in memory. `/_simulator` shows the ledger, takes settings, and plays the shopper's bank.
 */
export function buildSimulator(settings: SimulatorSettings): FastifyInstance {
  const app = Fastify({ bodyLimit: 64 * 1024, forceCloseConnections: true });
  const events: ProviderEvent[] = [];
  const seen: SeenRequest[] = [];
  const webhooks = new WebhookSender();
  const provider = new Provider((event) => {
    events.push(event);
    webhooks.send(event);
  });
  const keys = new IdempotencyKeys();
  const faults = new Faults();
  let latencyMs = settings.latencyMs;
  const configure = (change: Partial<SimulatorSettings>) => {
    latencyMs = change.latencyMs ?? latencyMs;
    if (change.webhooks !== undefined) webhooks.configure(change.webhooks);
    if (change.randomFaults !== undefined) faults.random(change.randomFaults);
  };
  configure(settings);
  if (settings.file) rememberIn(app, settings.file, { provider, keys });
  app.addHook("onClose", async () => webhooks.close());

  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) => {
    done(null, qs.parse(body as string));
  });
  app.setErrorHandler((error, _request, reply) => {
    const known =
      error instanceof StripeApiError ? error : new StripeApiError(500, { type: "api_error", message: String(error) });
    return answer(reply, { status: known.status, body: { error: known.body } });
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `Unrecognized request URL (${request.method}: ${request.url}).`;
    return reply.code(404).send({ error: invalidRequest(message).body });
  });

  /** Notes a request, and lets go wrong what is to go wrong before it is carried out. Null where the connection was broken. */
  const begin = async (request: FastifyRequest, reply: FastifyReply) => {
    requireKey(request);
    seen.push({ method: request.method, path: request.url, atMs: Date.now() });
    const fault = faults.pick(request.method, request.url);
    await sleep(latencyMs + (fault?.kind === "latency" ? fault.ms : 0));
    if (fault?.kind === "rate_limited") {
      reply.header("retry-after", "1");
      throw new StripeApiError(429, {
        type: "invalid_request_error",
        code: "rate_limit",
        message: "Too many requests.",
      });
    }
    return { fault: fault?.kind ?? null };
  };
  const breakConnection = (request: FastifyRequest, reply: FastifyReply) => {
    reply.hijack();
    request.raw.socket.destroy();
  };

  /** Carries out a POST under its Idempotency-Key, or answers what was answered before. */
  const post = <Body>(path: string, act: (id: string, body: Body) => object) => {
    app.post<{ Params: { id: string }; Body: Body | undefined }>(path, async (request, reply) => {
      const { fault } = await begin(request, reply);
      if (fault === "never") return reply.hijack();
      if (fault === "reset_before") return breakConnection(request, reply);
      const key = idempotencyKey(request);
      const saved = keys.begin(key, `${request.url}?${JSON.stringify(request.body ?? {})}`);
      if (saved) {
        if (fault === "reset_after") return breakConnection(request, reply);
        return answer(reply.header("idempotent-replayed", "true"), saved);
      }
      await sleep(latencyMs);
      const failed: SavedAnswer = {
        status: 500,
        body: { error: { type: "api_error", message: "Something went wrong." } },
      };
      const result =
        fault === "error_before" ? failed : carryOut(() => act(request.params.id, (request.body ?? {}) as Body));
      const told = fault === "error_after" ? failed : result;
      // Refused parameters leave no saved answer: https://docs.stripe.com/api/idempotent_requests
      if (told.status === 400 || told.status === 404) keys.forget(key);
      else keys.finish(key, told);
      if (fault === "reset_after") return breakConnection(request, reply);
      return answer(reply, told);
    });
  };

  post<CreateParameters>("/v1/payment_intents", (_id, body) => provider.create(body));
  post<{ payment_method?: string }>("/v1/payment_intents/:id/confirm", (id, body) =>
    provider.confirm(id, body.payment_method),
  );
  post<{ cancellation_reason?: string }>("/v1/payment_intents/:id/cancel", (id, body) =>
    provider.cancel(id, body.cancellation_reason),
  );
  post<{ payment_intent?: string; amount?: string }>("/v1/refunds", (_id, body) =>
    provider.refund(body.payment_intent ?? "", body.amount),
  );

  const get = (path: string, act: (request: FastifyRequest<{ Params: { id: string } }>) => object) => {
    app.get<{ Params: { id: string } }>(path, async (request, reply) => {
      const { fault } = await begin(request, reply);
      if (fault === "never") return reply.hijack();
      if (fault?.startsWith("reset")) return breakConnection(request, reply);
      if (fault?.startsWith("error"))
        throw new StripeApiError(500, { type: "api_error", message: "Something went wrong." });
      return answer(reply, { status: 200, body: act(request) });
    });
  };
  const expanded = (intent: PaymentIntent, wanted: string[]) =>
    wanted.some((name) => name.endsWith("latest_charge")) && intent.latest_charge
      ? { ...intent, latest_charge: provider.chargeOf(intent) }
      : intent;
  get("/v1/payment_intents/:id", (request) => expanded(provider.find(request.params.id), query(request).expand ?? []));
  get("/v1/payment_intents", (request) => {
    const { created = {}, limit = "10", starting_after, expand = [] } = query(request);
    const from = Number(created.gte ?? 0);
    const to = Number(created.lte ?? Number.MAX_SAFE_INTEGER);
    const before = Number(created.lt ?? Number.MAX_SAFE_INTEGER);
    const all = provider
      .list()
      .filter((intent) => intent.created >= from && intent.created <= to && intent.created < before);
    const start = starting_after ? all.findIndex((intent) => intent.id === starting_after) + 1 : 0;
    const page = all.slice(start, start + Math.min(100, Number(limit)));
    const data = page.map((intent) => expanded(intent, expand));
    return { object: "list", url: "/v1/payment_intents", has_more: start + page.length < all.length, data };
  });

  app.get("/_simulator/ledger", async () => ({ payments: provider.ledger() }));
  app.get("/_simulator/events", async () => ({ events }));
  app.get("/_simulator/requests", async () => ({ requests: seen }));
  app.put<{ Body: Partial<SimulatorSettings> }>("/_simulator/settings", async (request) => {
    configure(request.body);
    return {};
  });
  app.put<{ Body: ScriptedFault[] }>("/_simulator/faults", async (request) => {
    faults.script(request.body);
    return {};
  });
  // The shopper's bank: whoever holds the client secret says yes or no. Open to the storefront's page, wherever it is served.
  app.post<{ Body: { client_secret: string; succeed: string } }>("/_simulator/authenticate", async (request, reply) => {
    const intent = provider.findBySecret(request.body.client_secret);
    reply.header("access-control-allow-origin", "*");
    return { status: provider.resolve(intent.id, request.body.succeed === "true").status };
  });
  // A slow bank's decision on a payment that is processing.
  app.post<{ Body: { payment_intent: string; succeed: string } }>("/_simulator/decide", async (request) => {
    return { status: provider.resolve(request.body.payment_intent, request.body.succeed === "true").status };
  });
  return app;
}

const writeEveryMs = 500;

/** Reads what was remembered, and writes it down every half second and at the end. */
function rememberIn(app: FastifyInstance, file: string, memory: { provider: Provider; keys: IdempotencyKeys }): void {
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, "utf8")) as { provider: object; keys: object };
    memory.provider.restore(kept.provider);
    memory.keys.restore(kept.keys);
  }
  let written = "";
  const write = () => {
    const text = JSON.stringify({ provider: memory.provider.snapshot(), keys: memory.keys.snapshot() });
    if (text === written) return;
    writeFileSync(`${file}.new`, text); // then renamed: a crash leaves the old or the new, never half of one
    renameSync(`${file}.new`, file);
    written = text;
  };
  const timer = setInterval(write, writeEveryMs);
  app.addHook("onClose", async () => {
    clearInterval(timer);
    write();
  });
}

interface ListQuery {
  created?: { gte?: string; lte?: string; lt?: string };
  limit?: string;
  starting_after?: string;
  expand?: string[];
}

function query(request: FastifyRequest): ListQuery {
  return qs.parse(request.url.split("?")[1] ?? "");
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
