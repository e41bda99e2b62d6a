import { buildSimulator } from "@holdfast/infra/stripe-simulator/app.ts";
import type { Dispute } from "@holdfast/infra/stripe-simulator/disputes.ts";
import type { ScriptedFault } from "@holdfast/infra/stripe-simulator/faults.ts";
import type { LedgerEntry, ProviderEvent } from "@holdfast/infra/stripe-simulator/provider.ts";
import type { Refund } from "@holdfast/infra/stripe-simulator/refunds.ts";
import type { SimulatorSettings } from "@holdfast/infra/stripe-simulator/settings.ts";
import { connectStripe } from "@holdfast/worker/payment/connect-stripe.ts";
import type { FastifyInstance } from "fastify";
import type Stripe from "stripe";

export const testSecretKey = "sk_test_simulator";

export interface TestSimulator {
  readonly url: string;
  readonly stripe: Stripe;
  ledger(): Promise<LedgerEntry[]>;
  /** Everything announced so far, in order. */
  events(): Promise<ProviderEvent[]>;
  configure(settings: Partial<SimulatorSettings>): Promise<void>;
  /** What goes wrong next; replaces what was scripted before. */
  script(faults: readonly ScriptedFault[]): Promise<void>;
  advanceClock(byMs: number): Promise<void>;
  /** An operator's refund in the provider's dashboard. */
  refundOutside(refund: { payment_intent: string; amount?: number; status?: Refund["status"] }): Promise<Refund>;
  settleRefund(id: string, status: "succeeded" | "failed"): Promise<Refund>;
  openDispute(paymentIntentId: string): Promise<Dispute>;
  closeDispute(id: string, status: "won" | "lost"): Promise<Dispute>;
  /** Sends a signed event of any kind about anything. */
  announce(type: string, object: object): Promise<ProviderEvent>;
  close(): Promise<void>;
}

/**
 * A payment provider of one's own, and the official SDK connected to it as the worker connects it.
 * @param settings with `file`, where payments are remembered
 */
export async function startTestSimulator(
  settings: Partial<SimulatorSettings> & { file?: string } = {},
): Promise<TestSimulator> {
  const app = buildSimulator({ latencyMs: 0, ...settings });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const post = <T>(path: string, body: object) => control<T>(app, "POST", path, body);
  return {
    url,
    stripe: connectStripe({ STRIPE_SECRET_KEY: testSecretKey, STRIPE_API_BASE: url }),
    ledger: async () => (await control<{ payments: LedgerEntry[] }>(app, "GET", "ledger")).payments,
    events: async () => (await control<{ events: ProviderEvent[] }>(app, "GET", "events")).events,
    configure: (change) => control(app, "PUT", "settings", change),
    script: (faults) => control(app, "PUT", "faults", faults),
    advanceClock: (advanceMs) => post("clock", { advanceMs }),
    refundOutside: (refund) => post("refund", refund),
    settleRefund: (id, status) => post(`refunds/${id}`, { status }),
    openDispute: (payment_intent) => post("dispute", { payment_intent }),
    closeDispute: (id, status) => post(`disputes/${id}`, { status }),
    announce: (type, object) => post("event", { type, object }),
    close: () => app.close(),
  };
}

async function control<T>(app: FastifyInstance, method: "GET" | "POST" | "PUT", path: string, body?: object) {
  const answer = await app.inject({ method, url: `/_simulator/${path}`, ...(body && { payload: body }) });
  if (answer.statusCode !== 200) throw new Error(`${method} ${path}: ${answer.statusCode} ${answer.body}`);
  return answer.json<T>();
}
