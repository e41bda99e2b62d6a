import type { App } from "../http/fastify-app.ts";
import type { OpsParts } from "../ops/ops-parts.ts";

/** The sale as it is now, for the operations room. */
export async function opsLiveRoutes(_app: App, _parts: OpsParts): Promise<void> {}
