import { viewTtlMs } from "@holdfast/shared/order-view.ts";
import type { CheckReadiness, Readiness } from "@holdfast/shared/readiness.ts";
import { Type } from "typebox";
import { described } from "../answers.ts";
import { type Closing, serverClosing } from "../http/closing.ts";
import type { App } from "../http/fastify-app.ts";

export interface HealthParts {
  readonly checkReadiness: CheckReadiness;
  readonly closing: Closing;
}

/** `GET /healthz`, `GET /readyz`: for the platform. */
export function healthRoutes(app: App, { checkReadiness, closing }: HealthParts): void {
  const readiness = Type.Object(
    {
      status: Type.String(),
      redis: Type.String(),
      postgres: Type.String(),
      ordersLost: Type.Optional(Type.Object({ cause: Type.String(), noticedAt: Type.String() })),
    },
    { title: "Readiness" },
  );
  const alive = Type.Object({ status: Type.String() }, { title: "Health" });

  app.get(
    "/healthz",
    {
      schema: {
        operationId: "getHealth",
        summary: "Alive",
        tags: ["platform"],
        response: { 200: described(alive, "the process answers") },
      },
    },
    async () => ({ status: "ok" }),
  );

  app.get(
    "/readyz",
    {
      schema: {
        operationId: "getReadiness",
        summary: "Can accept purchases",
        tags: ["platform"],
        response: { 200: described(readiness, "it can"), 503: described(readiness, "it cannot now") },
      },
    },
    async (_request, reply) => {
      if (closing.begun) throw serverClosing();
      const { redis, postgres, losses } = await checkReadiness();
      // Postgres being unavailable is said, but takes no server out of service.
      const ready = redis === "up";
      if (!ready) reply.header("retry-after", 2);
      const status = ready ? "ready" : "unavailable";
      return reply.code(ready ? 200 : 503).send({ status, redis, postgres, ...recentLoss(losses) });
    },
  );
}

/**
 * Redis having lost orders takes no server out of service, but whoever looks shall see it for a
 * day.
 */
function recentLoss(losses: Readiness["losses"]) {
  const last = losses?.last ?? null;
  if (last === null || last.atMs + viewTtlMs < Date.now()) return {};
  return { ordersLost: { cause: last.cause, noticedAt: new Date(last.atMs).toISOString() } };
}
