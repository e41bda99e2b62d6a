import type { App } from "../http/fastify-app.ts";
import type { OpsParts } from "../ops/ops-parts.ts";

/** Who changed what, and when. */
export function opsAuditRoutes(_app: App, _parts: OpsParts): void {}
