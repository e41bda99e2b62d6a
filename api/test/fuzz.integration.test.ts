import { Agent } from "node:http";
import type { Serving } from "@holdfast/shared/run-process.ts";
import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { type Credentials, type FuzzRequest, type Headers, requestsTo } from "@holdfast/testing/fuzz-requests.ts";
import { addItem } from "@holdfast/testing/items.ts";
import type { Examples } from "@holdfast/testing/json-schemas.ts";
import { answerJudge } from "@holdfast/testing/judge-answer.ts";
import { type Operation, operationsOf } from "@holdfast/testing/openapi.ts";
import { seedFrom } from "@holdfast/testing/seeds.ts";
import { type Answer, sendRequest } from "@holdfast/testing/send-request.ts";
import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { startTestWorker } from "@holdfast/testing/worker.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import fc from "fast-check";
import Stripe from "stripe";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { orderIdForKey } from "../src/orders/order-id.ts";

/**
 * Every operation of the API's own description, called with what fits, what nearly fits and what
 * nobody thought of, over real connections, with a worker that decides what is bought. FUZZ_RUNS
 * and FUZZ_SEED in the environment run more, or a failed run again.
 */
const runs = Number(process.env.FUZZ_RUNS ?? 20_000);
const seed = seedFrom(process.env.FUZZ_SEED);
const atATime = 16;
const answerTimeoutMs = 15_000; // longer than the longest wait there is by design: 8 s until a payment is canceled
const enoughForAll = 20_000; // by then every answer was met that needs no outage
/**
 * What takes a story of several steps, each with a test of its own: a card under a key, and then
 * another one under the same.
 */
const hardToMeet: Readonly<Record<string, readonly string[]>> = {
  "POST /orders/{id}/payment": ["422"],
  "PUT /ops/api/items/{itemId}": ["200"],
  "DELETE /ops/api/items/{itemId}": ["200"],
  "POST /ops/api/orders/{id}/refund": ["202"],
  "POST /ops/api/jobs/{jobId}/replay": ["202", "409"],
  "DELETE /ops/api/shoppers/{id}": ["409"],
};
/**
 * What pauses, changes and forgets would leave too little of a sale for all answers of the others
 * to be met: it is asked for by itself, after them.
 */
const changesTheSale = ({ method, path }: Operation) =>
  path.startsWith("/ops") &&
  (["PATCH", "DELETE"].includes(method) || !/^\/ops\/api\/items\/\{itemId\}(\/(books|restock))?$/.test(path));
const endless = "/ops/api/live"; // has tests of its own
const needingMore = ["403", "429", "431", "500", "503"]; // a foreign page, a flood, a wall of headers, a bug, an outage
const webhookSecret = "whsec_for_the_fuzz";

const shoppers = ["ann", "ben"] as const;
const keys = Array.from({ length: 300 }, (_, i) => `key-${i}`);
const items = ["plenty", "few", "none", "scheduled", "ended", "dear", "new-1", "new-2", "no-such"];
const examples: Examples = {
  itemId: items,
  id: shoppers.flatMap((shopper) => keys.map((key) => orderIdForKey(shopper, key))),
  "idempotency-key": keys,
  paymentMethod: [
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_simulator_processing",
  ],
  confirmationToken: ["ctoken_1", "ctoken_2"],
  "if-match": ["*", '"0"'],
  lane: ["0", "1", "2", "3", "4", "x"],
  returnUnits: [true, false],
  "if-none-match": ["*", '"0"', 'W/"1", "2"'],
  prefer: ["wait=0", "wait=30", "respond-async", "wait"], // the wait is cut short when it is sent
  quantity: [1, 1, 2],
  price: [1, 4_900, 4_900],
  currency: ["eur", "usd", "jpy"],
  units: [1, 50, -1],
  type: ["payment_intent.succeeded", "charge.refunded"],
  payment_intent: ["pi_1", null],
  metadata: [{ orderId: orderIdForKey("ann", "key-0") }, {}, null],
};

describe("the API, whatever it is asked", () => {
  let world: World;
  let api: TestApi;
  let simulator: TestSimulator;
  let worker: Serving;
  let origin: URL;
  let operations: Operation[];
  let credentials: Credentials;
  const agent = new Agent({ keepAlive: true, maxSockets: atATime });
  beforeAll(async () => {
    world = await createWorld();
    await openShop(world);
    simulator = await startTestSimulator();
    worker = await startTestWorker(world, simulator);
    // Wrong passwords are part of it, and shall not shut operations out.
    api = await createTestApi(
      world,
      { STRIPE_WEBHOOK_SECRET: webhookSecret },
      { limits: { maxFailures: Number.MAX_SAFE_INTEGER } },
    );
    origin = new URL(await api.app.listen({ host: "127.0.0.1", port: 0 }));
    operations = (await operationsOf(api.app)).filter(({ path }) => path !== endless);
    credentials = await allCredentials();
    await placeDeclinedOrders(api, world);
  });
  afterAll(async () => {
    agent.destroy();
    await api.close();
    await worker.close();
    await simulator.close();
    await world.close();
  });

  test.each([
    { who: "shoppers", count: runs, isAsked: (operation: Operation) => !changesTheSale(operation) },
    { who: "operations", count: Math.ceil(runs / 3), isAsked: ({ path }: Operation) => path.startsWith("/ops") },
  ])(
    `$who, $count requests from seed ${seed}: never a 500, never silence, always a documented answer`,
    {
      timeout: 600_000,
    },
    async ({ count, isAsked }) => {
      const asked = operations.filter(isAsked);
      const judge = answerJudge(operations);
      const met = new Set<string>(); // "GET /orders 200"
      const faults = new Map<string, string>(); // each kind once, with the first request that met it
      const check = async (request: FuzzRequest) => {
        const answer = await sendRequest(origin, agent, request, answerTimeoutMs).catch((error: Error) => error);
        const { operation, faults: found } = judge(request, answer);
        const name = operation ? `${operation.method} ${operation.path}` : "nothing";
        if (!(answer instanceof Error)) met.add(`${name} ${answer.status}`);
        for (const fault of found) {
          const kind = `${name}: ${fault}`;
          if (!faults.has(kind)) faults.set(kind, told(request, answer));
        }
      };
      const requests = fc.oneof(...asked.map((operation) => requestsTo(operation, credentials, examples)));
      const crowds = fc.array(requests, { minLength: atATime, maxLength: atATime });
      // What a request meets depends on those before it, so a smaller one would prove nothing: it
      // is told in full instead.
      const crowd = fc.asyncProperty(crowds, async (all) => void (await Promise.all(all.map(check))));
      await fc.assert(crowd, { numRuns: Math.ceil(count / atATime), seed, endOnFailure: true });
      expect([...faults].map(([kind, example]) => `${kind}\n${example}`)).toEqual([]);

      if (count < enoughForAll) return;
      for (const { method, path, responses } of asked) {
        const hard = [...needingMore, ...(hardToMeet[`${method} ${path}`] ?? [])];
        const expected = Object.keys(responses).filter((status) => !hard.includes(status));
        const missed = expected.filter((status) => !met.has(`${method} ${path} ${status}`));
        expect(missed, `${method} ${path} was never answered so: the requests are not wild enough`).toEqual([]);
      }
    },
  );
});

/** Items in every state that an answer may depend on. */
async function openShop({ db }: World): Promise<void> {
  const hourMs = 3_600_000;
  await addItem(db, "plenty", 1_000_000);
  await addItem(db, "patient", 1_000, { payment_retries: 20 });
  await addItem(db, "few", 20, { max_per_shopper: 3 });
  await addItem(db, "none", 0);
  await addItem(db, "scheduled", 10, { opens_at: new Date(Date.now() + hourMs) });
  await addItem(db, "ended", 10, { closes_at: new Date(Date.now() - hourMs) });
  await addItem(db, "dear", 10, { price_minor: 99_999_999 });
}

/** Orders that wait for another card, which few requests get to by chance. */
async function placeDeclinedOrders({ app }: TestApi, world: World): Promise<void> {
  for (const key of keys.slice(0, 30)) {
    for (const shopper of shoppers) {
      const headers = { authorization: await shopperAuthorization(shopper), "idempotency-key": key };
      const payload = { paymentMethod: "pm_card_chargeDeclined" };
      expect((await app.inject({ method: "POST", url: "/purchase/patient", headers, payload })).statusCode).toBe(202);
    }
  }
  await eventually("the cards are declined", async () => {
    const waiting = await world.db.selectFrom("orders").select("id").where("payment_status", "=", "declined").execute();
    return waiting.length === 30 * shoppers.length;
  });
}

/** Nothing, something wrong, or the right thing: most often the right one. */
async function allCredentials(): Promise<Credentials> {
  const header = (authorization: string): Headers => ({ authorization });
  const shopperHeaders = await Promise.all(
    shoppers.map(async (shopper) => header(await shopperAuthorization(shopper))),
  );
  const [ann] = shopperHeaders as [Headers];
  const forged = header(await shopperAuthorization("ann", "another secret of thirty-two bytes, and then some"));
  const nobody = header(await shopperAuthorization("\u0000"));
  const unsigned = header(
    `Bearer ${Buffer.from('{"alg":"none"}').toString("base64url")}.${ann.authorization?.split(".")[1]}.`,
  );
  const wrong = fc.oneof(
    fc.constantFrom<Headers>({}, forged, nobody, unsigned, header(""), header("Bearer"), header("Bearer a.b.c")),
    fc.constantFrom<Headers>(header("Basic"), header("Basic b3Bz"), header("Basic b3BzOndyb25n"), header("Basic %%%")),
    fc.stringMatching(/^[!-~]{1,60}$/).map(header),
  );
  return ({ method, path, security = [] }, body) => {
    const scheme = Object.keys(security[0] ?? {})[0];
    const right =
      scheme === "shopper"
        ? fc.constantFrom(...shopperHeaders)
        : scheme === "operations"
          ? fc.constant(header(opsAuthorization))
          : fc.constant<Headers>(method === "POST" && path === "/webhooks/stripe" ? signatureOf(body) : {});
    return fc.oneof({ weight: 5, arbitrary: right }, { weight: 1, arbitrary: wrong });
  };
}

function signatureOf(payload: string): Headers {
  return { "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload, secret: webhookSecret }) };
}

function told({ method, url, headers, body, chunked }: FuzzRequest, answer: Answer | Error): string {
  const sent = { method, url, headers, body: body?.subarray(0, 1_000).toString("latin1"), chunked };
  const got = answer instanceof Error ? String(answer) : { ...answer, body: answer.body.slice(0, 1_000) };
  return JSON.stringify({ sent, got }, null, 1);
}
