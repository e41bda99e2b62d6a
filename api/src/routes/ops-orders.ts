import type { App } from "../http/fastify-app.ts";
import type { OpsParts } from "../ops/ops-parts.ts";

/** Orders as operations see them. */
export function opsOrderRoutes(_app: App, _parts: OpsParts): void {}
