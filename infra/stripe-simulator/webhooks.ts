import { createHmac } from "node:crypto";
import { mulberry32 } from "./faults.ts";
import type { ProviderEvent } from "./provider.ts";

export interface WebhookSettings {
  readonly url: string;
  readonly secret: string;
  /** How often each event is sent. */
  readonly copies?: number;
  /** Each copy leaves after a random time up to this, so that events come late and out of order. */
  readonly maxDelayMs?: number;
  readonly seed?: number;
}

const tries = 5; // Stripe goes on for three days; a simulator for a few seconds

/** https://docs.stripe.com/webhooks#verify-manually */
function signatureHeader(payload: string, secret: string, nowMs: number): string {
  const timestamp = Math.floor(nowMs / 1000);
  const signature = createHmac("sha256", secret).update(`${timestamp}.${payload}`).digest("hex");
  return `t=${timestamp},v1=${signature}`;
}

/**
 * Sends events to a webhook as Stripe does: signed, and again with growing pauses until it is
 * answered with 2xx.
 */
export class WebhookSender {
  #settings: WebhookSettings | null = null;
  #random = mulberry32(0);
  readonly #timers = new Set<NodeJS.Timeout>();

  configure(settings: WebhookSettings | null): void {
    this.#settings = settings;
    this.#random = mulberry32(settings?.seed ?? 0);
  }

  send(event: ProviderEvent): void {
    const settings = this.#settings;
    if (!settings) return;
    for (let copy = 0; copy < (settings.copies ?? 1); copy++) {
      this.#later(this.#random() * (settings.maxDelayMs ?? 0), () => this.#deliver(event, settings, 1));
    }
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  async #deliver(event: ProviderEvent, settings: WebhookSettings, attempt: number): Promise<void> {
    const payload = JSON.stringify(event);
    const headers = {
      "content-type": "application/json; charset=utf-8",
      // The real time, however far the simulator's own is ahead: the receiver compares it with its
      // clock.
      "stripe-signature": signatureHeader(payload, settings.secret, Date.now()),
    };
    const answered = await fetch(settings.url, {
      method: "POST",
      headers,
      body: payload,
      signal: AbortSignal.timeout(10_000),
    })
      .then((response) => response.ok)
      .catch(() => false);
    if (!answered && attempt < tries) {
      this.#later(500 * 2 ** attempt, () => this.#deliver(event, settings, attempt + 1));
    }
  }

  #later(delayMs: number, act: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void act();
    }, delayMs);
    this.#timers.add(timer);
  }
}
