import { connectStripe } from "@holdfast/worker/payment/connect-stripe.ts";
import { describe, inject } from "vitest";
import type {} from "../proof/stripe/test-key.ts";
import { ProviderCalls } from "./provider-calls.ts";
import { providerContract } from "./provider-contract.ts";

describe("Stripe's test mode, as the worker's provider", () => {
  const open = async () => ({ stripe: connectStripe({ STRIPE_SECRET_KEY: inject("stripeTestKey") }) });
  providerContract(new ProviderCalls(false, open));
});
