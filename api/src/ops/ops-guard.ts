import basicAuth from "@fastify/basic-auth";
import type { FastifyRequest } from "fastify";
import { clientAddress } from "../http/client-address.ts";
import type { App } from "../http/fastify-app.ts";
import { isFromForeignPage } from "../http/foreign-page.ts";
import { answerProblem, Problem } from "../http/problems.ts";
import type { Role, SignIn } from "./sign-in.ts";

/** Who acts, from where. */
export interface Operator {
  readonly name: string;
  readonly role: Role;
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
 * their name. Whoever may only look, only looks: whatever is not GET or HEAD is refused, here and
 * not where things are done, so that no route can forget it.
 */
export async function guardOperations(app: App, signIn: SignIn): Promise<void> {
  app.decorateRequest("operator");
  const validate = async (name: string, given: string, request: FastifyRequest) => {
    const address = clientAddress(request);
    const role = await signIn(name, given, address);
    if (role === null) throw new Problem("unauthenticated", "Sign in as operations.");
    request.operator = { name, role, address };
  };
  await app.register(basicAuth, { validate, authenticate: { realm: "holdfast" } });
  // Answered here, not thrown: the dashboard has an error handler of its own.
  app.addHook("onRequest", (request, reply, done) => {
    if (!isFromForeignPage(request.method, request.headers, request.host)) return done();
    const detail = "Operations act from their own page, or by a program of their own.";
    answerProblem(new Problem("foreign_page", detail), request, reply);
  });
  app.addHook("onRequest", (request, reply, done) => {
    app.basicAuth(request, reply, (error) => (error ? void answerProblem(error, request, reply) : done()));
  });
  app.addHook("onRequest", (request, reply, done) => {
    const looks = request.method === "GET" || request.method === "HEAD";
    if (looks || request.operator.role === "act") return done();
    answerProblem(new Problem("forbidden", `${request.operator.name} may look, and not act.`), request, reply);
  });
}
