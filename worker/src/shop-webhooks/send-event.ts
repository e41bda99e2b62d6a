import { type Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { Webhook } from "standardwebhooks";
import type { Shop } from "./shop-settings.ts";
import { messageId, type ShopEvent, showEvent } from "./show-event.ts";

export type Sent =
  | { readonly outcome: "delivered" }
  /** @property retryAfterMs as the shop asks for, null where it does not */
  | { readonly outcome: "failed"; readonly why: string; readonly retryAfterMs: number | null }
  /** Ended by ourselves: it says nothing about the shop. */
  | { readonly outcome: "cut" };

/**
 * For connection, request and answer: the least that Standard Webhooks asks for. A shop that needs
 * longer takes the event and works later.
 */
export const answerWithinMs = 15_000;

/**
 * Sends an event once, signed as Standard Webhooks has it (https://www.standardwebhooks.com): any
 * 2xx means that the shop has it. A redirect is not followed: it may lead to a private address, and
 * a POST that turns into a GET delivers nothing.
 * @param closing aborted when the worker cannot wait for the answer any more
 */
export async function sendEvent(shop: Shop, connections: Agent, event: ShopEvent, closing: AbortSignal): Promise<Sent> {
  const timeout = AbortSignal.timeout(answerWithinMs);
  try {
    const body = showEvent(event);
    const { status, headers } = await post(shop.url, connections, body, {
      headers: signedHeaders(shop.secrets, messageId(event), body),
      signal: AbortSignal.any([timeout, closing]),
    });
    if (status >= 200 && status < 300) return { outcome: "delivered" };
    return failed(`HTTP ${status}`, retryAfterMs(headers["retry-after"]));
  } catch (error) {
    if (timeout.aborted) return failed(`no answer within ${answerWithinMs / 1_000} s`);
    if (closing.aborted) return { outcome: "cut" };
    return failed(reason(error as NodeJS.ErrnoException));
  }
}

function failed(why: string, retryAfterMs: number | null = null): Sent {
  return { outcome: "failed", why, retryAfterMs };
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function retryAfterMs(text = ""): number | null {
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return ms > 0 ? ms : null;
}

/** Of now, so that a shop that refuses old timestamps takes a late try, too. */
function signedHeaders(secrets: readonly string[], id: string, body: string): Record<string, string> {
  const now = new Date();
  const signatures = secrets.map((secret) => new Webhook(secret).sign(id, now, body));
  return {
    "content-type": "application/json",
    "user-agent": "Holdfast",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
    "webhook-signature": signatures.join(" "),
  };
}

/** @returns the answer's status and headers; its body is discarded */
function post(
  url: URL,
  agent: Agent,
  body: string,
  { headers, signal }: { headers: Record<string, string>; signal: AbortSignal },
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders }> {
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(url, { method: "POST", agent, headers, signal }, (response) => {
      response.on("error", () => {});
      response.resume();
      // What came with the headers is over now, and the connection can be used again; nobody reads
      // the rest, and it costs the shop its connection.
      setImmediate(() => response.complete || response.destroy());
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
    });
    request.on("error", reject);
    request.end(body);
  });
}

/**
 * A code where there is one: a message may have what the other side sent, such as the names in its
 * certificate.
 */
function reason(error: NodeJS.ErrnoException): string {
  return (error.code ?? (error.message || error.name)).slice(0, 200);
}
