import { createHash } from "node:crypto";
import type { Clock } from "./clock.ts";
import { StripeApiError } from "./stripe-error.ts";

export interface SavedAnswer {
  readonly status: number;
  readonly body: object;
}

type Entry = { readonly request: string; readonly firstAtMs: number; answer: SavedAnswer | null };

/**
 * Idempotency keys as Stripe documents them (https://docs.stripe.com/api/idempotent_requests): the
 * first answer is saved, errors included, and given again for the same key; other parameters under
 * the same key are an error; so is a second request while the first one is under way. A request
 * refused before anything was done leaves nothing behind. A key is forgotten when its lifetime is
 * over: the same request is then a new one.
 */
export class IdempotencyKeys {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;
  readonly #rules: { readonly keyLifetimeMs: number };
  constructor(clock: Clock, rules: { readonly keyLifetimeMs: number }) {
    this.#clock = clock;
    this.#rules = rules;
  }

  /**
   * @param request what identifies the request: path and parameters
   * @returns the saved answer of an earlier request, or null where this one is to be carried out
   */
  begin(key: string, request: string): SavedAnswer | null {
    const fingerprint = createHash("sha256").update(request).digest("base64");
    const nowMs = this.#clock.nowMs();
    const entry = this.#entries.get(key);
    if (!entry || (entry.answer !== null && nowMs - entry.firstAtMs >= this.#rules.keyLifetimeMs)) {
      this.#entries.set(key, { request: fingerprint, firstAtMs: nowMs, answer: null });
      return null;
    }
    if (entry.request !== fingerprint) {
      const message = `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`;
      throw new StripeApiError(400, { type: "idempotency_error", message });
    }
    if (entry.answer === null) {
      const message = `There is currently another in-progress request using this Idempotency Key (${key}).`;
      throw new StripeApiError(409, { type: "idempotency_error", code: "idempotency_key_in_use", message });
    }
    return entry.answer;
  }

  /** Saves the answer once the request was carried out. */
  finish(key: string, answer: SavedAnswer): void {
    const entry = this.#entries.get(key);
    if (entry) entry.answer = answer;
  }

  /**
   * The answers saved so far, to be read back by `restore`; a request under way is not among them.
   */
  snapshot(): object {
    return [...this.#entries].filter(([, entry]) => entry.answer !== null);
  }

  restore(snapshot: object): void {
    for (const [key, entry] of snapshot as [string, Entry][]) this.#entries.set(key, entry);
  }

  /** Forgets a request that was refused before anything was done. */
  forget(key: string): void {
    this.#entries.delete(key);
  }
}
