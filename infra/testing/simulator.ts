import type Stripe from "stripe";
import { connectStripe } from "../../worker/src/connect-stripe.ts";
import { buildSimulator } from "../stripe-simulator/app.ts";
import type { LedgerEntry } from "../stripe-simulator/provider.ts";

export interface TestSimulator {
  readonly url: string;
  readonly stripe: Stripe;
  ledger(): Promise<LedgerEntry[]>;
  close(): Promise<void>;
}

/** A payment provider of one's own, and the official SDK connected to it as the worker connects it. */
export async function startTestSimulator(): Promise<TestSimulator> {
  const app = buildSimulator({ latencyMs: 0 });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    url,
    stripe: connectStripe({ STRIPE_SECRET_KEY: "sk_test_simulator", STRIPE_API_BASE: url }),
    async ledger() {
      const response = await app.inject("/_simulator/ledger");
      return response.json<{ payments: LedgerEntry[] }>().payments;
    },
    close: () => app.close(),
  };
}
