import type { App } from "../http/fastify-app.ts";
import { guardOperations } from "../ops/ops-guard.ts";
import { opsLockout } from "../ops/ops-lockout.ts";
import type { OpsParts } from "../ops/ops-parts.ts";
import { queueDashboard } from "../ops/queue-dashboard.ts";
import { signIn } from "../ops/sign-in.ts";
import { opsAuditRoutes } from "./ops-audit.ts";
import { opsFleetRoutes } from "./ops-fleet.ts";
import { opsItemRoutes } from "./ops-items.ts";
import { opsLiveRoutes } from "./ops-live.ts";
import { opsOrderRoutes } from "./ops-orders.ts";
import { opsPageRoutes } from "./ops-pages.ts";
import { opsRefundRoutes } from "./ops-refunds.ts";
import { opsShopperRoutes } from "./ops-shoppers.ts";

/** Everything under `/ops`: for operations, behind HTTP Basic. */
export async function opsRoutes(app: App, parts: OpsParts): Promise<void> {
  const { password, users, log } = parts;
  const noteAttempt = opsLockout(parts, parts.lockout);
  const onLocked = (address: string) => {
    log.warn({ address }, "operations' password was wrong too often: the address is locked out");
  };
  await guardOperations(app, signIn({ password, users, noteAttempt, onLocked }));
  await opsPageRoutes(app);
  // Whoever has not signed in is not told what there is and what not.
  app.all("/*", { schema: { hide: true } }, (_request, reply) => reply.callNotFound());
  opsItemRoutes(app, parts);
  opsOrderRoutes(app, parts);
  opsRefundRoutes(app, parts);
  opsShopperRoutes(app, parts);
  opsFleetRoutes(app, parts);
  opsAuditRoutes(app, parts);
  await opsLiveRoutes(app, parts);

  await app.register((scope) => queueDashboard(scope, parts), { prefix: "/queues" });
}
