import type { App } from "../http/fastify-app.ts";
import type { OpsParts } from "../ops/ops-parts.ts";

/** What operations do about the money of an order. */
export function opsRefundRoutes(_app: App, _parts: OpsParts): void {}
