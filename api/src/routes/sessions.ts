import { bodyRefusals, described, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import type { Limits } from "../http/limits.ts";
import { createGuestSession, type TokenConfig } from "../http/shopper.ts";
import { sessionBody } from "../schemas.ts";

/**
 * `POST /sessions`: makes whoever asks a guest shopper. Registered only where guest sessions are
 * on.
 */
export function sessionRoute(app: App, limits: Limits, config: TokenConfig): void {
  app.post(
    "/sessions",
    {
      schema: {
        operationId: "createSession",
        summary: "Become a guest shopper",
        tags: ["anyone"],
        response: { 201: described(sessionBody, "a guest's token"), ...refusals(...bodyRefusals) },
      },
      onRequest: limits.sessionsPerAddress,
    },
    async (_request, reply) => reply.code(201).send(createGuestSession(config, Date.now())),
  );
}
