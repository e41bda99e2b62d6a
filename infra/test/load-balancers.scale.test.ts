import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { booksOf } from "@holdfast/testing/items.ts";
import { type LoadBalancer, startLoadBalancer, trustingAgent } from "@holdfast/testing/load-balancer.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { type Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";
import { opsClient } from "../proof/rush/rush.ts";
import { signedTokens } from "../proof/rush/shopper-tokens.ts";

const shoppers = 2_000;
const units = 100;
const finalStates = ["confirmed", "out_of_stock", "cancelled", "rejected"];
const patienceMs = 60_000;

describe.each(["nginx", "haproxy"] as const)("three API servers behind %s", (name) => {
  let world: World;
  let system: PrivateSystem;
  let balancer: LoadBalancer | null;
  let logDirectory: string;
  let agent: Agent;
  beforeAll(async () => {
    logDirectory = await mkdtemp(join(tmpdir(), "holdfast-balancer-test-"));
    world = await createWorld();
    agent = await trustingAgent(256);
    const env = { ...world.env, TRUST_PROXY: "127.0.0.1", CHARGE_RATE_PER_SECOND: "100" };
    system = await startPrivateSystem({ apis: 3, workers: 1, env, logDirectory });
    balancer = await startLoadBalancer(name, system.apiUrls);
    if (balancer === null) process.stdout.write(`skipped: 2 tests behind ${name}, which is not to be had here\n`);
  });
  afterAll(async () => {
    await agent.destroy();
    await balancer?.stop();
    await system?.stop();
    await world?.close();
    await rm(logDirectory, { recursive: true, force: true });
  });

  test("a flood from one address is cut off before it reaches a server, in the API's own words", async ({ skip }) => {
    skip(balancer === null);
    const limiting = (await startLoadBalancer(name, system.apiUrls, { limited: true })) as LoadBalancer;
    try {
      const answers = await Promise.all(
        Array.from({ length: 1_500 }, async () => {
          const { statusCode, headers, body } = await request(`${limiting.url}/healthz`, { dispatcher: agent });
          const { code } = (await body.json()) as { code?: string };
          return `${statusCode} ${code ?? ""} ${statusCode === 429 ? String(headers["content-type"]) : ""}`.trim();
        }),
      );
      const counts = Map.groupBy(answers, (answer) => answer);
      expect([...counts.keys()].toSorted()).toEqual(["200", "429 rate_limited application/problem+json"]);
      expect(counts.get("200")?.length).toBeGreaterThanOrEqual(350);
      expect(counts.get("200")?.length).toBeLessThan(1_000);
    } finally {
      await limiting.stop();
    }
  });

  test("one killed and one drained under load: no accepted order is lost, no answer but the documented ones", async ({
    skip,
  }) => {
    skip(balancer === null);
    const url = balancer?.url ?? "";
    await opsClient(system.apiUrls[0] ?? "", system.opsPassword)("PUT", "items/kettle", {
      name: "Kettle",
      price: 1_900,
      currency: "eur",
      units,
    });
    const tokenOf = signedTokens(system.jwtSecret);
    const answers = new Map<string, number>();
    const accepted = new Set<string>();
    const ask = async (method: "GET" | "POST", path: string, shopper: number, more: Record<string, string>) => {
      const headers = { authorization: `Bearer ${tokenOf(shopper)}`, ...more };
      const body = method === "POST" ? JSON.stringify({ paymentMethod: "pm_card_visa" }) : null;
      const answer = await request(`${url}${path}`, { method, headers, body, dispatcher: agent });
      const said = (await answer.body.json()) as { id?: string; status?: string | number; code?: string };
      const kind = `${method} ${answer.statusCode} ${said.code ?? ""}`.trim();
      answers.set(kind, (answers.get(kind) ?? 0) + 1);
      return { status: answer.statusCode, said };
    };
    const buy = async (shopper: number): Promise<string> => {
      const headers = { "content-type": "application/json", "idempotency-key": `key-${shopper}` };
      const deadlineMs = Date.now() + patienceMs;
      let id = "";
      while (Date.now() < deadlineMs) {
        const { status, said } =
          id === ""
            ? await ask("POST", "/purchase/kettle", shopper, headers)
            : await ask("GET", `/orders/${id}`, shopper, { prefer: "wait=10" });
        if (status === 409) return said.code ?? "";
        if (status === 202 && said.id !== undefined) {
          id = said.id;
          accepted.add(id);
        }
        if (status < 300 && finalStates.includes(String(said.status))) return String(said.status);
        if (status >= 300) await sleep(200 + Math.random() * 300);
      }
      return "lost";
    };
    const rushing = Promise.all(
      Array.from({ length: shoppers }, async (_, shopper) => {
        await sleep(Math.random() * 3_000);
        return buy(shopper);
      }),
    );
    await sleep(800);
    system.apis[0]?.process.kill("SIGKILL");
    await sleep(700);
    system.apis[1]?.process.kill("SIGTERM"); // answers what it has in hand
    const outcomes = await rushing;

    const count = (outcome: string) => outcomes.filter((one) => one === outcome).length;
    process.stdout.write(`behind ${name}: ${JSON.stringify(Object.fromEntries(answers))}\n`);
    expect(count("lost")).toBe(0);
    expect(count("confirmed")).toBe(units);
    expect(count("out_of_stock")).toBe(shoppers - units);
    expect([...answers.keys()].filter((kind) => !documented.has(kind))).toEqual([]);
    const rows = await world.db.selectFrom("orders").select("id").execute();
    const inPostgres = new Set(rows.map(({ id }) => id));
    expect([...accepted].filter((id) => !inPostgres.has(id))).toEqual([]);
    expect(await booksOf(world.db, "kettle")).toMatchObject({ confirmed: units, inventory: 0, balanced: true });
  }, 120_000);
});

const documented = new Set([
  "POST 202",
  "POST 409 out_of_stock",
  "POST 503 unavailable",
  "POST 503 busy",
  "GET 200",
  "GET 503 unavailable",
  "GET 503 busy",
]);
