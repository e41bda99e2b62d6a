import type { App } from "../http/fastify-app.ts";
import type { OpsParts } from "../ops/ops-parts.ts";

/** Lanes and dead jobs. */
export function opsFleetRoutes(_app: App, _parts: OpsParts): void {}
