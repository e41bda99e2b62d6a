import { setTimeout as sleep } from "node:timers/promises";
import type { App } from "./fastify-app.ts";
import { Problem } from "./problems.ts";

/**
 * Whether this process has begun to close: said by the server for shoppers, and also read by the
 * one on `ADMIN_PORT`, which goes on until the first is closed.
 */
export interface Closing {
  begun: boolean;
}

export interface ClosingLimits {
  /** How long a closing server still takes connections, to say that it is closing. */
  readonly closingNoticeMs: number;
}

export const closingLimits: ClosingLimits = {
  closingNoticeMs: 1_000, // of the ten seconds until the platform kills us; by then whoever checks readiness sends no more
};

const retryAfterSeconds = 1; // there are other servers

/**
 * A server that closes finishes what is in hand, and answers everything that arrives from then on
 * with 503 `unavailable`. Each answer ends its connection, so that no request is still in transit
 * when the server stops. Registered before all other hooks but the count of requests.
 * @param letGo called once, for those whose answers would take their time
 */
export function answerWhileClosing(
  app: App,
  closing: Closing,
  { closingNoticeMs }: ClosingLimits,
  letGo: () => void,
): void {
  app.addHook("preClose", async () => {
    closing.begun = true;
    letGo();
    if (app.server.listening) await sleep(closingNoticeMs);
  });
  app.addHook("onRequest", (_request, _reply, done) => {
    done(closing.begun ? serverClosing() : undefined);
  });
  app.addHook("onSend", (_request, reply, _payload, done) => {
    if (closing.begun) reply.header("connection", "close");
    done();
  });
}

export function serverClosing(): Problem {
  return new Problem("unavailable", "This server is closing; another one takes the request.", { retryAfterSeconds });
}
