import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { shopperIdentifier } from "@holdfast/api/http/shopper.ts";
import { cardIn, orderBody, purchaseBody } from "@holdfast/api/schemas.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { connectRedis, requireRedis } from "@holdfast/shared/redis.ts";
import { showOrder } from "@holdfast/shared/show-order.ts";
import { orderInLine } from "@holdfast/testing/purchases.ts";
import closeWithGrace from "close-with-grace";
import Fastify, { type onRequestHookHandler } from "fastify";
import { Type } from "typebox";
import { type Decide, openOpponents } from "./opponents.ts";

/**
 * What the pipeline is measured against, as a process of its own: Fastify with nothing behind its
 * routes but what is named. The same token check, the same schemas, the same answers.
 * - `POST /bare`: a purchase that is checked and answered, and that is all.
 * - `GET /bare/:id`: an order read with one Redis GET.
 * - `POST /every-row/:itemId`, `/winners-only/:itemId`, `/batching/:itemId`: a purchase decided in
 *   Postgres without a queue (opponents.ts).
 */

const { JWT_SECRET = "", REDIS_URL = "", DATABASE_URL = "" } = process.env;
const identify = shopperIdentifier({ JWT_SECRET }, createLog("bare-server", "warn"));
const redis = connectRedis(REDIS_URL, "failing", () => {});
await requireRedis(redis);
const opponents = await openOpponents(DATABASE_URL);

const app = Fastify().withTypeProvider<TypeBoxTypeProvider>();
const security: { onRequest: onRequestHookHandler } = {
  onRequest: (request, _reply, done) => {
    void identify(request); // synchronous under a secret, and it throws at strangers
    done();
  },
};
const order = showOrder(orderInLine({ itemId: "bare" }), { position: 1, estimatedSeconds: 1, itemLocked: false });
const response = { 200: orderBody, 202: orderBody };
await redis.set("bare:order", JSON.stringify(order));

app.post("/bare", { schema: { body: purchaseBody, response }, ...security }, async (_request, reply) =>
  reply.code(202).header("location", `/orders/${order.id}`).header("retry-after", 1).send(order),
);

app.get(
  "/bare/:id",
  { schema: { params: Type.Object({ id: Type.String() }), response }, ...security },
  async (request) => JSON.parse((await redis.get(`bare:${request.params.id}`)) ?? "null"),
);

const decideBy = (route: string, decide: Decide) =>
  app.post(
    `/${route}/:itemId`,
    { schema: { params: Type.Object({ itemId: Type.String() }), body: purchaseBody, response } },
    async (request, reply) => {
      const shopperId = await identify(request);
      const decided = await decide(request.params.itemId, shopperId, cardIn(request.body));
      return reply.code(202).header("location", `/orders/${decided.id}`).send(showOrder(decided, null));
    },
  );
decideBy("every-row", opponents.everyRow);
decideBy("winners-only", opponents.winnersOnly);
decideBy("batching", opponents.batching);

closeWithGrace({ delay: 5_000 }, () => app.close());
const address = await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`bare-server: listening on ${address}\n`);
