import { createHash, timingSafeEqual } from "node:crypto";
import basicAuth from "@fastify/basic-auth";
import type { FastifyRequest } from "fastify";
import { clientAddress } from "../http/client-address.ts";
import type { App } from "../http/fastify-app.ts";
import { isFromForeignPage } from "../http/foreign-page.ts";
import { answerProblem, Problem } from "../http/problems.ts";
import type { NoteAttempt } from "./ops-lockout.ts";

/** Who acts, from where. */
export interface Operator {
  readonly name: string;
  readonly role: "look" | "act";
  /** The client's address. */
  readonly address: string;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Under `/ops` alone. */
    operator: Operator;
  }
}

/**
 * Lets nobody under `/ops` but operations, by HTTP Basic, and nobody's page but our own act in
 * their name.
 */
export async function guardOperations(app: App, password: string, noteAttempt: NoteAttempt): Promise<void> {
  const check = operationsCheck(password, noteAttempt);
  app.decorateRequest("operator");
  await app.register(basicAuth, { validate: check, authenticate: { realm: "holdfast" } });
  // Answered here, not thrown: the dashboard has an error handler of its own.
  app.addHook("onRequest", (request, reply, done) => {
    if (!isFromForeignPage(request.method, request.headers, request.host)) return done();
    const detail = "Operations act from their own page, or by a program of their own.";
    answerProblem(new Problem("foreign_page", detail), request, reply);
  });
  app.addHook("onRequest", (request, reply, done) => {
    app.basicAuth(request, reply, (error) => (error ? void answerProblem(error, request, reply) : done()));
  });
}

/**
 * Compares digests in constant time, so that the time taken tells nothing of how much was right.
 */
function operationsCheck(password: string, noteAttempt: NoteAttempt) {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const expected = digest(`ops:${password}`);
  return async (username: string, given: string, request: FastifyRequest) => {
    const right = timingSafeEqual(digest(`${username}:${given}`), expected);
    const address = clientAddress(request);
    const lockedMs = await noteAttempt(address, right);
    if (lockedMs > 0) {
      request.log.warn({ address }, "operations' password was wrong too often: the address is locked out");
      const retryAfterSeconds = Math.ceil(lockedMs / 1000);
      throw new Problem("rate_limited", "Too many wrong passwords from this address.", { retryAfterSeconds });
    }
    if (!right) throw new Problem("unauthenticated", "Sign in as operations.");
    request.operator = { name: username, role: "act", address };
  };
}
