import fastifySwaggerUi from "@fastify/swagger-ui";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { Database } from "@holdfast/shared/database.ts";
import type { Logger } from "@holdfast/shared/log.ts";
import type { ChargeQueue, LaneQueue, WebhookQueue } from "@holdfast/shared/queues.ts";
import type { CheckReadiness } from "@holdfast/shared/readiness.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import type { Tracing } from "@holdfast/shared/tracing.ts";
import Fastify, { type FastifyBaseLogger, LogController } from "fastify";
import type { ApiConfig } from "./config.ts";
import { describeApi } from "./describe-api.ts";
import { answerUnrouted } from "./http/allowed-methods.ts";
import { discardUnwantedBodies, ignoreOffers } from "./http/broken-requests.ts";
import { answerWhileClosing, type Closing, type ClosingLimits, closingLimits } from "./http/closing.ts";
import { type ConnectionLimits, connectionLimits, connectionOptions, limitConnections } from "./http/connections.ts";
import { contentSecurityPolicy, foreignPagePolicy, storefrontPolicy } from "./http/content-security-policy.ts";
import { shareWithOrigins } from "./http/cross-origin.ts";
import { takeEmptyBodies } from "./http/empty-bodies.ts";
import type { App } from "./http/fastify-app.ts";
import { noticeForwarded } from "./http/forwarded-notice.ts";
import { admitBuyer, registerLimits } from "./http/limits.ts";
import { countAnswers, type Metrics } from "./http/metrics.ts";
import { problemPages } from "./http/problem-pages.ts";
import { answerProblem } from "./http/problems.ts";
import { logAccess, requestIds, takeRequestIds } from "./http/request-ids.ts";
import { traceRequests } from "./http/request-spans.ts";
import { apiHeaders, secureHeaders } from "./http/secure-headers.ts";
import { type LoadLimits, loadLimits, registerLoadShedding } from "./http/shed-load.ts";
import { shopperIdentifier } from "./http/shopper.ts";
import type { ItemCatalog } from "./items/item-catalog.ts";
import { type LockoutLimits, lockoutLimits } from "./ops/ops-lockout.ts";
import { readOpsUsers } from "./ops/ops-users.ts";
import { orderAcceptor } from "./orders/accept-orders.ts";
import type { AcceptanceMarks } from "./orders/acceptance-marks.ts";
import { chargeBacklogReader } from "./orders/charge-backlog.ts";
import { lineReader } from "./orders/line-status.ts";
import { standingReader } from "./orders/order-standing.ts";
import type { OrderWatch } from "./orders/order-watch.ts";
import { passedOverReporter } from "./orders/passed-over.ts";
import type { ReadReplica } from "./orders/read-replica.ts";
import { viewReader } from "./orders/view-reader.ts";
import { healthRoutes } from "./routes/health.ts";
import { itemRoutes } from "./routes/items.ts";
import { opsRoutes } from "./routes/ops.ts";
import { orderChangeRoutes } from "./routes/order-changes.ts";
import { orderRoutes } from "./routes/orders.ts";
import { purchaseRoute } from "./routes/purchase.ts";
import { sessionRoute } from "./routes/sessions.ts";
import { webhookRoute } from "./routes/webhooks.ts";
import { storefrontRoutes } from "./storefront/storefront-routes.ts";

export interface AppParts {
  readonly config: ApiConfig;
  readonly db: Database;
  /** A standby of it; null, or left out, for none. */
  readonly replica?: ReadReplica | null;
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly lanes: readonly LaneQueue[];
  readonly charges: ChargeQueue;
  readonly webhooks: WebhookQueue;
  readonly items: ItemCatalog;
  readonly watch: OrderWatch;
  readonly marks: AcceptanceMarks;
  readonly metrics: Metrics;
  readonly checkReadiness: CheckReadiness;
  readonly closing: Closing;
  readonly log: Logger;
  /** Null, or left out, for none. */
  readonly tracing?: Tracing | null;
  /** Override the defaults; for tests and the warm-up. */
  readonly limits?: Partial<ClosingLimits & ConnectionLimits & LoadLimits & LockoutLimits>;
}

const maxBodyBytes = 16 * 1024; // of metadata 4 KB, each letter of which may be written as an escape of six

/** Builds the whole HTTP side out of its parts, without listening. */
export async function buildApp(parts: AppParts): Promise<App> {
  const { config, db, redis, keys, lanes, charges, webhooks, items, watch } = parts;
  const connections = { ...connectionLimits, ...parts.limits };
  const app = makeFastify(parts, connections);

  const traceOf = await traceRequests(app, parts.tracing ?? null);
  takeRequestIds(app, config.TRUST_PROXY !== undefined);
  logAccess(app, parts.log);
  answerUnrouted(app);
  // Before whatever answers or refuses a request: it counts each of them, as its answer is counted.
  limitConnections(app, connections);
  // Whoever waits for an answer gets what is known, so that closing need not wait for them.
  answerWhileClosing(app, parts.closing, { ...closingLimits, ...parts.limits }, () => watch.close());
  ignoreOffers(app);
  await shareWithOrigins(app, config.CORS_ORIGINS);
  discardUnwantedBodies(app);
  takeEmptyBodies(app);
  app.setErrorHandler(answerProblem);
  app.decorateRequest("shopperId", "");
  app.decorateRequest("refusedWith", null);
  countAnswers(app, parts.metrics);
  const pageHeaders = headersUnder(contentSecurityPolicy);
  const { STRIPE_SIMULATOR_URL: simulatorUrl = null, STRIPE_PUBLISHABLE_KEY: publishableKey } = config;
  const realCards = publishableKey !== undefined;
  const storefrontHeaders = headersUnder(
    storefrontPolicy(simulatorUrl, realCards),
    // A wallet may ask in a window of its own, which has to find its way back.
    realCards ? "same-origin-allow-popups" : "same-origin",
  );
  registerLoadShedding(app, { ...loadLimits, ...parts.limits }, parts.metrics.shed);
  noticeForwarded(app, config.TRUST_PROXY, parts.log);
  await describeApi(app);
  await app.register(async (scope) => {
    sendHeaders(scope, pageHeaders);
    await scope.register(fastifySwaggerUi, { routePrefix: "/docs", staticCSP: foreignPagePolicy });
    problemPages(scope);
  });
  await app.register(async (scope) => {
    sendHeaders(scope, storefrontHeaders);
    await storefrontRoutes(scope, config);
  });
  const limits = await registerLimits(app, { redis, keys }, config);

  const identify = shopperIdentifier(config, parts.log);
  const reader = { db, replica: parts.replica ?? null, redis, keys, laneCount: lanes.length };
  const readStanding = standingReader({
    readLine: lineReader(reader),
    readBacklog: chargeBacklogReader(redis, charges),
    chargesPerSecond: config.CHARGE_RATE_PER_SECOND,
    onLine: passedOverReporter(reader),
  });
  const accept = orderAcceptor({
    redis,
    keys,
    lanes,
    marks: parts.marks,
    metrics: parts.metrics,
    maxLine: config.MAX_LINE,
    limits: limits.purchases,
  });
  await app.register(async (scope) => {
    sendHeaders(scope, apiHeaders);
    purchaseRoute(scope, {
      items,
      accept,
      readView: viewReader({ redis, keys }),
      readStanding,
      traceOf,
      watch,
      admit: admitBuyer(limits, identify),
    });
    orderRoutes(scope, { reader, readStanding, watch, identify, limits });
    orderChangeRoutes(scope, {
      ...reader,
      charges,
      cancelledInLine: parts.metrics.cancelledInLine,
      readStanding,
      identify,
      limits,
    });
    itemRoutes(scope, items, limits);
    healthRoutes(scope, parts);
    if (config.GUEST_SESSIONS === "on") sessionRoute(scope, limits, config);
  });
  const webhookSecret = config.STRIPE_WEBHOOK_SECRET;
  if (webhookSecret !== undefined)
    await app.register(async (scope) => webhookRoute(scope, webhooks, webhookSecret, traceOf));
  await registerOperations(app, parts, pageHeaders);
  return app;
}

function makeFastify({ config, log }: AppParts, connections: ConnectionLimits): App {
  const loggerInstance: FastifyBaseLogger = log;
  return Fastify({
    ...connectionOptions(connections),
    loggerInstance,
    // At thousands of requests a second a line each would cost more than the work; /metrics counts
    // them.
    logController: new LogController({ disableRequestLogging: true }),
    // Nor a logger each: the one line that needs the request's id is given it.
    childLoggerFactory: (logger) => logger,
    genReqId: requestIds(),
    bodyLimit: maxBodyBytes,
    trustProxy: trustProxy(config.TRUST_PROXY),
    routerOptions: { maxParamLength: 16_384 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: true } },
    return503OnClosing: false, // said by answerWhileClosing, as a problem
    frameworkErrors: (error, request, reply) => void answerProblem(error, request, reply),
  }).withTypeProvider<TypeBoxTypeProvider>();
}

/** Everything under `/ops`; without a password there is none of it. */
async function registerOperations(
  app: App,
  { config, db, replica, redis, keys, lanes, charges, webhooks, items, checkReadiness, limits, log }: AppParts,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const password = config.OPS_PASSWORD;
  if (password === undefined) return;
  const lockout = { ...lockoutLimits, ...limits };
  const chargesPerSecond = config.CHARGE_RATE_PER_SECOND;
  await app.register(
    async (scope) => {
      sendHeaders(scope, headers);
      const { DATABASE_URL, DATABASE_READ_URL } = config;
      const exportUrls = () =>
        replica?.current() && DATABASE_READ_URL ? [DATABASE_READ_URL, DATABASE_URL] : [DATABASE_URL];
      const store = { db, exportUrls, redis, keys, lanes, charges, webhooks, items };
      const { users } = readOpsUsers(config.OPS_USERS ?? "");
      await opsRoutes(scope, { ...store, checkReadiness, password, users, lockout, chargesPerSecond, log });
    },
    { prefix: "/ops" },
  );
}

function sendHeaders(scope: App, headers: Readonly<Record<string, string>>): void {
  scope.addHook("onRequest", (_request, reply, done) => {
    reply.headers(headers);
    done();
  });
}

function headersUnder(
  directives: ReturnType<typeof storefrontPolicy> | typeof contentSecurityPolicy,
  opener: "same-origin" | "same-origin-allow-popups" = "same-origin",
) {
  return secureHeaders({
    contentSecurityPolicy: { directives },
    crossOriginOpenerPolicy: { policy: opener },
    strictTransportSecurity: false, // TLS ends before us; whoever ends it says so to browsers
  });
}

/** Fastify's own words for whom to believe; a number counts the proxies in front of us. */
function trustProxy(setting: string | undefined) {
  if (setting === undefined) return false;
  const proxies = Number(setting);
  return Number.isInteger(proxies) ? (_address: string, hop: number) => hop < proxies : setting;
}
