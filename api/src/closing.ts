import { setTimeout as sleep } from "node:timers/promises";
import type { App } from "./app.ts";
import { Problem } from "./problems.ts";

export interface ClosingLimits {
  /** How long a closing server still takes connections, to say that it is closing. */
  readonly closingNoticeMs: number;
}

export const closingLimits: ClosingLimits = {
  closingNoticeMs: 1_000, // of the ten seconds until the platform kills us; by then whoever checks readiness sends no more
};

const retryAfterSeconds = 1; // there are other servers

/**
 * A server that closes finishes what is in hand, and answers everything that arrives from then on with 503 `unavailable`. Each answer ends
 * its connection, so that there is none left which a request could be on its way on when the server is gone. Registered before all
 * other hooks.
 * @param letGo called once, for those whose answers would take their time
 */
export function answerWhileClosing(app: App, { closingNoticeMs }: ClosingLimits, letGo: () => void): void {
  let closing = false;
  app.addHook("preClose", async () => {
    closing = true;
    letGo();
    if (app.server.listening) await sleep(closingNoticeMs);
  });
  app.addHook("onRequest", (_request, _reply, done) => {
    if (!closing) return done();
    done(new Problem("unavailable", "This server is closing; another one takes the request.", { retryAfterSeconds }));
  });
  app.addHook("onSend", (_request, reply, _payload, done) => {
    if (closing) reply.header("connection", "close");
    done();
  });
}
