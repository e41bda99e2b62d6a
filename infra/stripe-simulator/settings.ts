import type { Clock } from "./clock.ts";
import type { RandomFaults } from "./faults.ts";
import { invalidRequest } from "./stripe-error.ts";
import type { WebhookSettings } from "./webhooks.ts";

/** What `PUT /_simulator/settings` takes; what is not named stays as it is. */
export interface SimulatorSettings {
  /** Added to every request under /v1, as a bank's answer would take. */
  latencyMs: number;
  webhooks?: WebhookSettings | null;
  randomFaults?: RandomFaults | null;
  /**
   * Every request under /v1 is answered 503, or its connection broken, until this is false again.
   */
  outage?: boolean | "broken_connection";
  /** An outage of 503s that ends by itself. */
  outageMs?: number;
  /** The only key that is let in; null for any. */
  secretKey?: string | null;
  /** The currencies the account can charge in, in lower case; null for all that Stripe knows. */
  currencies?: readonly string[] | null;
  /** What a refund through the API begins as; a pending one waits for `/_simulator/refunds/:id`. */
  refundStatus?: "succeeded" | "pending";
  /** Payments younger than this are in no list. */
  listLagMs?: number;
  /** The same for the search; null for the list's. */
  searchLagMs?: number | null;
  /** How long an idempotency key is remembered. */
  keyLifetimeMs?: number;
  /** How long a confirmation token can be used that is made from now on. */
  confirmationTokenLifeMs?: number;
}

/** How the provider behaves right now. */
export interface Rules {
  latencyMs: number;
  outage: boolean | "broken_connection";
  outageUntilMs: number;
  secretKey: string | null;
  currencies: readonly string[] | null;
  refundStatus: "succeeded" | "pending";
  listLagMs: number;
  searchLagMs: number | null;
  keyLifetimeMs: number;
  confirmationTokenLifeMs: number;
}

const dayMs = 24 * 3_600_000; // https://docs.stripe.com/api/idempotent_requests
const halfDayMs = 12 * 3_600_000; // as in the example of https://docs.stripe.com/api/confirmation_tokens/object; its Android pages say 15 minutes

export function defaultRules(): Rules {
  return {
    latencyMs: 0,
    outage: false,
    outageUntilMs: 0,
    secretKey: null,
    currencies: null,
    refundStatus: "succeeded",
    listLagMs: 0,
    searchLagMs: null,
    keyLifetimeMs: dayMs,
    confirmationTokenLifeMs: halfDayMs,
  };
}

const others = ["webhooks", "randomFaults", "outageMs"];

/**
 * Takes over what a change names.
 * @throws 400 for a name there is none of: a typing error would change nothing
 */
export function changeRules(rules: Rules, change: Partial<SimulatorSettings>, clock: Clock): void {
  for (const [name, value] of Object.entries(change)) {
    if (others.includes(name)) continue;
    if (!(name in rules) || name === "outageUntilMs") throw invalidRequest(`There is no setting '${name}'.`);
    if (value !== undefined) Object.assign(rules, { [name]: value });
  }
  if (change.outage === false) rules.outageUntilMs = 0;
  if (change.outageMs !== undefined) rules.outageUntilMs = clock.nowMs() + change.outageMs;
}

/** What comes of a request while the provider is unavailable; null while it is not. */
export function outageOf(rules: Rules, clock: Clock): "unavailable" | "broken_connection" | null {
  if (rules.outage === "broken_connection") return "broken_connection";
  return rules.outage || clock.nowMs() < rules.outageUntilMs ? "unavailable" : null;
}
