import { type Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { Webhook } from "standardwebhooks";
import type { Shop } from "./shop-settings.ts";
import { messageId, type ShopEvent, showEvent } from "./show-event.ts";

export type Sent = { readonly outcome: "delivered" } | { readonly outcome: "failed"; readonly why: string };

const answerWithinMs = 10_000; // headers and body; a shop that needs longer takes the event and works later
const maxAnswerBytes = 65_536; // nobody reads it: what is longer costs the shop its connection

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
    const status = await post(shop.url, connections, body, {
      headers: signedHeaders(shop.secrets, messageId(event), body),
      signal: AbortSignal.any([timeout, closing]),
    });
    return status >= 200 && status < 300 ? { outcome: "delivered" } : { outcome: "failed", why: `HTTP ${status}` };
  } catch (error) {
    if (timeout.aborted) return { outcome: "failed", why: `no answer within ${answerWithinMs / 1_000} s` };
    if (closing.aborted) return { outcome: "failed", why: "no answer before the worker closed" };
    return { outcome: "failed", why: reason(error as NodeJS.ErrnoException) };
  }
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

/** @returns the answer's status */
function post(
  url: URL,
  agent: Agent,
  body: string,
  { headers, signal }: { headers: Record<string, string>; signal: AbortSignal },
): Promise<number> {
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send(url, { method: "POST", agent, headers, signal }, (response) => {
      discard(response);
      resolve(response.statusCode ?? 0);
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Reads the answer to its end, so that the connection can be used again. */
function discard(response: IncomingMessage): void {
  let bytes = 0;
  response.on("error", () => {});
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) response.destroy();
  });
}

/** Without what the shop answered, which may be anything. */
function reason(error: NodeJS.ErrnoException): string {
  const text = error.message || error.code || error.name;
  return text.slice(0, 200);
}
