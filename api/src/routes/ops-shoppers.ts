import type { App } from "../http/fastify-app.ts";
import type { OpsParts } from "../ops/ops-parts.ts";

/** What is known of a shopper. */
export function opsShopperRoutes(_app: App, _parts: OpsParts): void {}
