import type { FastifyInstance } from "fastify";
import type { SeenRequest } from "./api-gate.ts";
import type { Clock } from "./clock.ts";
import type { Dispute } from "./disputes.ts";
import type { Faults, ScriptedFault } from "./faults.ts";
import type { Provider, ProviderEvent } from "./provider.ts";
import type { Refund } from "./refunds.ts";
import type { SimulatorSettings } from "./settings.ts";
import { invalidRequest } from "./stripe-error.ts";

export interface ControlParts {
  readonly provider: Provider;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly events: readonly ProviderEvent[];
  readonly seen: readonly SeenRequest[];
  readonly configure: (change: Partial<SimulatorSettings>) => void;
}

/**
 * `/_simulator`: shows the books, takes settings, and plays the shopper, the bank and the account's
 * operators.
 */
export function controlRoutes(app: FastifyInstance, parts: ControlParts): void {
  const { provider, clock, faults, events, seen, configure } = parts;
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
  app.post<{ Body: { advanceMs: number } }>("/_simulator/clock", async (request) => {
    try {
      clock.advance(request.body.advanceMs);
    } catch (error) {
      throw invalidRequest(String(error), { param: "advanceMs" });
    }
    return { nowMs: clock.nowMs() };
  });
  // An event of any kind about anything, such as a payment that is not ours.
  app.post<{ Body: { type: string; object: object } }>("/_simulator/event", async (request) =>
    provider.announce(request.body.type, request.body.object),
  );
  peopleRoutes(app, provider);
}

function peopleRoutes(app: FastifyInstance, provider: Provider): void {
  // The shopper's bank: whoever holds the client secret says yes or no. Open to the storefront's
  // page, wherever it is served.
  app.post<{ Body: { client_secret: string; succeed: string } }>("/_simulator/authenticate", async (request, reply) => {
    reply.header("access-control-allow-origin", "*"); // first: refusals are read there too
    const intent = provider.findBySecret(request.body.client_secret);
    return { status: provider.resolve(intent.id, request.body.succeed === "true").status };
  });
  // A slow bank's decision on a payment that is processing.
  app.post<{ Body: { payment_intent: string; succeed: string } }>("/_simulator/decide", async (request) => {
    return { status: provider.resolve(request.body.payment_intent, request.body.succeed === "true").status };
  });
  // An operator's refund in the provider's own dashboard.
  app.post<{ Body: { payment_intent: string; amount?: number; status?: Refund["status"] } }>(
    "/_simulator/refund",
    async ({ body: { status, ...parameters } }) => provider.refund(parameters, status),
  );
  // The bank's word on a refund.
  app.post<{ Params: { id: string }; Body: { status: "succeeded" | "failed"; failure_reason?: string } }>(
    "/_simulator/refunds/:id",
    async ({ params, body }) => provider.settleRefund(params.id, body.status, body.failure_reason),
  );
  // The shopper disputes a payment with their bank, and the bank decides.
  app.post<{ Body: { payment_intent: string } }>("/_simulator/dispute", async ({ body }) =>
    provider.dispute(body.payment_intent),
  );
  app.post<{ Params: { id: string }; Body: { status: Exclude<Dispute["status"], "needs_response"> } }>(
    "/_simulator/disputes/:id",
    async ({ params, body }) => provider.closeDispute(params.id, body.status),
  );
}
