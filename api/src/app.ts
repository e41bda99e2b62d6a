import fastifyHelmet from "@fastify/helmet";
import fastifyStatic from "@fastify/static";
import fastifySwagger from "@fastify/swagger";
import fastifySwaggerUi from "@fastify/swagger-ui";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { Database } from "@holdfast/shared/database.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { ChargeQueue, LaneQueue, WebhookQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  LogController,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import { orderAcceptor } from "./accept-orders.ts";
import { answerBrokenRequest, ignoreOffers } from "./broken-requests.ts";
import type { ApiConfig } from "./config.ts";
import type { ItemCatalog } from "./item-catalog.ts";
import { registerLimits } from "./limits.ts";
import { registerMetrics } from "./metrics.ts";
import { lineReader } from "./order-reader.ts";
import { answerProblem, Problem } from "./problems.ts";
import { healthRoutes } from "./routes/health.ts";
import { itemRoutes } from "./routes/items.ts";
import { opsRoutes } from "./routes/ops.ts";
import { orderChangeRoutes } from "./routes/order-changes.ts";
import { orderRoutes } from "./routes/orders.ts";
import { purchaseRoute } from "./routes/purchase.ts";
import { sessionRoute } from "./routes/sessions.ts";
import { webhookRoute } from "./routes/webhooks.ts";
import { shopperIdentifier } from "./shopper.ts";

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module "fastify" {
  interface FastifyRequest {
    /** Whose request it is, once the token was checked. */
    shopperId: string;
  }
}

export interface AppParts {
  readonly config: ApiConfig;
  readonly db: Database;
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly lanes: readonly LaneQueue[];
  readonly charges: ChargeQueue;
  readonly webhooks: WebhookQueue;
  readonly items: ItemCatalog;
  readonly log: Logger;
}

const maxBodyBytes = 16 * 1024; // the largest valid body is under 1 KB
const requestTimeoutMs = 10_000; // a request whose head and body take longer is an attack or a dead line
const webRoot = new URL("../web/", import.meta.url);

/** Builds the whole HTTP side out of its parts, without listening. */
export async function buildApp(parts: AppParts): Promise<App> {
  const { config, db, redis, keys, lanes, charges, webhooks, items } = parts;
  const log: FastifyBaseLogger = parts.log;
  const app: App = Fastify({
    loggerInstance: log,
    // At thousands of requests a second a line each would cost more than the work; /metrics counts them.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    trustProxy: trustProxy(config.TRUST_PROXY),
    routerOptions: { maxParamLength: 16_384 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: true } },
    return503OnClosing: true,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => void answerProblem(error, request, reply),
  }).withTypeProvider<TypeBoxTypeProvider>();

  ignoreOffers(app);
  app.removeContentTypeParser("text/plain");
  app.setErrorHandler(answerProblem);
  app.setNotFoundHandler((request) => {
    throw new Problem("route_not_found", `${request.method} on this address means nothing here; see /docs.`);
  });
  app.decorateRequest("shopperId", "");
  const metrics = registerMetrics(app);
  await registerPages(app, config.STRIPE_SIMULATOR_URL ?? null);
  const limits = await registerLimits(app, redis, keys, config);

  const identify = shopperIdentifier(config);
  const reader = { db, redis, keys, laneCount: lanes.length };
  const readLine = lineReader(reader);
  const accept = orderAcceptor({ redis, keys, lanes, maxLine: config.MAX_LINE });
  await app.register(async (scope) => {
    purchaseRoute(scope, { items, accept, reader, readLine, identify, limits });
    orderRoutes(scope, { reader, readLine, identify });
    orderChangeRoutes(scope, { ...reader, charges }, identify, limits);
    itemRoutes(scope, items);
    healthRoutes(scope, { db, redis, keys, lanes, metrics });
    if (config.GUEST_SESSIONS === "on" && config.JWT_SECRET) sessionRoute(scope, limits, config.JWT_SECRET);
  });
  const webhookSecret = config.STRIPE_WEBHOOK_SECRET;
  if (webhookSecret !== undefined) await app.register(async (scope) => webhookRoute(scope, webhooks, webhookSecret));
  const password = config.OPS_PASSWORD;
  if (password !== undefined) {
    await app.register(
      async (scope) => opsRoutes(scope, { db, redis, keys, lanes, charges, webhooks, items, password }),
      { prefix: "/ops" },
    );
  }
  return app;
}

/** The storefront, the API description, and the headers every answer carries. */
async function registerPages(app: App, simulatorUrl: string | null): Promise<void> {
  await app.register(fastifyHelmet, {
    contentSecurityPolicy: {
      directives: {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'", ...(simulatorUrl ? [simulatorUrl] : [])],
        "upgrade-insecure-requests": null,
      },
    },
    strictTransportSecurity: false, // TLS ends before us; whoever ends it sets this
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Holdfast",
        version: "0.1.0",
        description: "A flash-sale purchase pipeline: buy with POST /purchase/{itemId}, then follow GET /orders/{id}.",
      },
      components: {
        securitySchemes: {
          shopper: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
          operations: { type: "http", scheme: "basic" },
        },
      },
    },
  });
  await app.register(fastifySwaggerUi, { routePrefix: "/docs", staticCSP: true });
  // What the page needs to know of this shop.
  app.get("/storefront.json", { schema: { hide: true } }, async () => ({ simulatorUrl }));
  await app.register(fastifyStatic, { root: webRoot.pathname, cacheControl: true, maxAge: 60_000 });
}

/** Fastify's own words for whom to believe; a number counts the proxies in front of us. */
function trustProxy(setting: string | undefined) {
  if (setting === undefined) return false;
  const proxies = Number(setting);
  return Number.isInteger(proxies) ? (_address: string, hop: number) => hop < proxies : setting;
}
