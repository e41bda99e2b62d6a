import Fastify, { type FastifyInstance } from "fastify";
import qs from "qs";
import { answerError, type SeenRequest } from "./api-gate.ts";
import { apiRoutes } from "./api-routes.ts";
import { Clock } from "./clock.ts";
import { controlRoutes } from "./control-routes.ts";
import { Faults } from "./faults.ts";
import { IdempotencyKeys } from "./idempotency.ts";
import { Provider, type ProviderEvent } from "./provider.ts";
import { rememberIn } from "./remember.ts";
import { changeRules, defaultRules, type SimulatorSettings } from "./settings.ts";
import { standInRoutes } from "./stand-in-routes.ts";
import { invalidRequest, StripeApiError } from "./stripe-error.ts";
import { WebhookSender } from "./webhooks.ts";

/**
 * A payment provider that speaks Stripe's wire format: form-encoded requests, its error envelope,
 * idempotency keys, object shapes, test payment methods, signed webhooks. Everything is in memory.
 * `/_simulator` shows the ledger, takes settings, plays the shopper's bank, and serves a stand-in
 * for the script that Stripe gives to browsers.
 * @param file where payments are remembered from one run to the next; nowhere unless given
 */
export function buildSimulator({ file, ...settings }: SimulatorSettings & { file?: string }): FastifyInstance {
  const app = Fastify({ bodyLimit: 64 * 1024, forceCloseConnections: true });
  const events: ProviderEvent[] = [];
  const seen: SeenRequest[] = [];
  const clock = new Clock();
  const rules = defaultRules();
  const webhooks = new WebhookSender();
  const provider = new Provider(clock, rules, (event) => {
    events.push(event);
    webhooks.send(event);
  });
  const keys = new IdempotencyKeys(clock, rules);
  const faults = new Faults();
  const configure = (change: Partial<SimulatorSettings>) => {
    changeRules(rules, change, clock);
    if (change.webhooks !== undefined) webhooks.configure(change.webhooks);
    if (change.randomFaults !== undefined) faults.random(change.randomFaults);
  };
  configure(settings);
  if (file) rememberIn(app, file, { provider, keys, clock });
  app.addHook("onClose", async () => webhooks.close());

  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) => {
    done(null, qs.parse(body as string));
  });
  app.setErrorHandler((error, _request, reply) => {
    const known = error instanceof StripeApiError;
    return answerError(reply, known ? error : new StripeApiError(500, { type: "api_error", message: String(error) }));
  });
  app.setNotFoundHandler((request, reply) => {
    const message = `Unrecognized request URL (${request.method}: ${request.url}).`;
    return answerError(reply, invalidRequest(message, {}, 404));
  });
  apiRoutes(app, provider, { clock, rules, faults, keys, seen });
  standInRoutes(app);
  controlRoutes(app, { provider, clock, faults, events, seen, configure });
  return app;
}
