import type { App } from "../http/fastify-app.ts";

/** The operations room: its page, and what belongs to it. */
export async function opsPageRoutes(app: App): Promise<void> {
  app.all("/", { schema: { hide: true } }, (_request, reply) => reply.callNotFound());
}
