import { createTestApi, opsAuthorization, shopperAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { addDeadJob } from "@holdfast/testing/dead-job.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { Queue } from "bullmq";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashPassword } from "../src/ops/ops-users.ts";

const jacket = { name: "Jacket", price: 4_900, currency: "eur", units: 10 };
const password = "a password for tests";

describe("operations", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    const hash = await hashPassword(password);
    api = await createTestApi(world, { OPS_USERS: `ada:act:${hash},bob:look:${hash}` });
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const basic = (name: string) => `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
  type Method = "GET" | "PUT" | "PATCH" | "POST";
  const ask = (method: Method, url: string, payload?: object, headers: Record<string, string> = {}) =>
    api.app.inject({
      method,
      url,
      headers: { authorization: opsAuthorization, ...headers },
      ...(payload && { payload }),
    });
  const putOnSale = async (id: string, more: object = {}) => {
    const answer = await ask("PUT", `/ops/api/items/${id}`, { ...jacket, ...more });
    expect(answer.statusCode).toBe(201);
    return answer;
  };
  const trail = async (subject: string) => {
    const answer = await ask("GET", `/ops/api/audit?subject=${encodeURIComponent(subject)}`);
    return answer.json<{
      entries: { action: string; operator: string; address: string; before: object; after: object }[];
    }>().entries;
  };

  test("put the same item on sale twice, as after a lost answer: 200, whatever was sold meanwhile", async () => {
    await putOnSale("twice");
    await ask("POST", "/ops/api/items/twice/restock", { units: -3 });
    await ask("PATCH", "/ops/api/items/twice", { name: "Coat" });
    const again = await ask("PUT", "/ops/api/items/twice", { ...jacket, holdSeconds: 600, opensAt: null });
    expect([again.statusCode, again.json()]).toMatchObject([200, { available: 7, name: "Coat" }]);
    const another = await ask("PUT", "/ops/api/items/twice", { ...jacket, price: 5_000 });
    expect([another.statusCode, another.json()]).toMatchObject([409, { code: "item_exists" }]);
    expect((await trail("item twice")).filter(({ action }) => action === "item.create")).toHaveLength(1);
  });

  test("of two who put another item on sale under one id, one succeeds", async () => {
    const answers = await Promise.all(
      [4_000, 5_000].map((price) => ask("PUT", "/ops/api/items/contested", { ...jacket, price })),
    );
    expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([201, 409]);
  });

  test("change what they name, and nothing else", async () => {
    await putOnSale("changed", { maxPerShopper: 2, holdSeconds: 60, paymentRetries: 1 });
    const opensAt = "2030-01-01T00:00:00Z";
    const answer = await ask("PATCH", "/ops/api/items/changed", { price: 5_900, opensAt });
    expect(answer.statusCode).toBe(200);
    const terms = { name: "Jacket", price: 5_900, maxPerShopper: 2, holdSeconds: 60, paymentRetries: 1, stocked: 10 };
    expect(answer.json()).toMatchObject({ ...terms, status: "scheduled", opensAt: "2030-01-01T00:00:00.000Z" });
    const cleared = await ask("PATCH", "/ops/api/items/changed", { opensAt: null, maxPerShopper: null });
    expect(cleared.json()).toMatchObject({ price: 5_900, status: "available", opensAt: null, maxPerShopper: null });
    const [last] = await trail("item changed");
    expect(last).toMatchObject({ action: "item.change", before: { maxPerShopper: 2 }, after: { maxPerShopper: null } });
  });

  test.each([
    [{ units: 5 }, "body/units"],
    [{ price: 1 }, "body/price"],
    [{ closesAt: "2029-01-01T00:00:00Z" }, "body/closesAt"],
    [{ holdSeconds: "60" }, "body/holdSeconds"],
  ])("a change to %j is refused, naming the field, and nothing is changed", async (change, field) => {
    await ask("PUT", "/ops/api/items/steady", { ...jacket, opensAt: "2030-01-01T00:00:00Z" });
    const before = (await ask("GET", "/ops/api/items/steady")).json();
    const answer = await ask("PATCH", "/ops/api/items/steady", change);
    expect([answer.statusCode, answer.json()]).toMatchObject([400, { errors: [{ field }] }]);
    expect((await ask("GET", "/ops/api/items/steady")).json()).toEqual(before);
  });

  test("the currency of what was ever held or sold stays", async () => {
    await putOnSale("sold");
    expect((await ask("PATCH", "/ops/api/items/sold", { currency: "usd" })).statusCode).toBe(200);
    await sql`insert into item_totals (item_id) values ('sold')`.execute(world.db);
    const answer = await ask("PATCH", "/ops/api/items/sold", { currency: "gbp" });
    expect([answer.statusCode, answer.json()]).toMatchObject([400, { errors: [{ field: "body/currency" }] }]);
  });

  test("the list has a tag of what it says, and finds items by how their ids begin", async () => {
    for (const id of ["chair-1", "chair-2", "chair_3"]) await putOnSale(id);
    const list = async () => {
      const answer = await ask("GET", "/ops/api/items?prefix=chair-");
      return {
        tag: String(answer.headers.etag),
        ids: answer.json<{ items: { id: string }[] }>().items.map((i) => i.id),
      };
    };
    const before = await list();
    expect(before.ids).toEqual(["chair-1", "chair-2"]);
    expect((await list()).tag).toBe(before.tag);
    await ask("POST", "/ops/api/items/chair-1/restock", { units: 1 });
    expect((await list()).tag).not.toBe(before.tag);
  });

  test("several at once never overwrite each other: whoever comes second is told", async () => {
    await putOnSale("shared");
    const { etag } = (await ask("GET", "/ops/api/items/shared")).headers;
    const change = (name: string) => ask("PATCH", "/ops/api/items/shared", { name }, { "if-match": String(etag) });
    const answers = await Promise.all([change("One"), change("Two")]);
    expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([200, 412]);
    expect(answers.find(({ statusCode }) => statusCode === 412)?.json()).toMatchObject({ code: "precondition_failed" });
    expect((await trail("item shared")).filter(({ action }) => action === "item.change")).toHaveLength(1);
  });

  test("a purchase is no change that an If-Match refuses, and a pause is", async () => {
    await putOnSale("busy");
    const tag = async () => String((await ask("GET", "/ops/api/items/busy")).headers.etag);
    const before = await tag();
    await sql`update items set inventory = inventory - 1, stocked = stocked - 1 where id = 'busy'`.execute(world.db);
    expect(await tag()).toBe(before);
    await ask("POST", "/ops/api/items/busy/pause");
    const answer = await ask("PATCH", "/ops/api/items/busy", { name: "Coat" }, { "if-match": before });
    expect(answer.statusCode).toBe(412);
  });

  test("two who restock at once both add their units", async () => {
    await putOnSale("restocked");
    await Promise.all([5, 7].map((units) => ask("POST", "/ops/api/items/restocked/restock", { units })));
    expect((await ask("GET", "/ops/api/items/restocked")).json()).toMatchObject({
      stocked: 22,
      books: { stocked: 22, inventory: 22, reserved: 0, confirmed: 0, balanced: true },
      taken: 0,
    });
    const entries = await trail("item restocked");
    expect(entries.map(({ action }) => action)).toEqual(["item.restock", "item.restock", "item.create"]);
    expect(entries[0]?.after).toEqual({ stocked: 22, inventory: 22 });
  });

  test("pause an item: nobody can buy it, on any server, until it is resumed", async () => {
    await putOnSale("paused");
    const buy = async () => {
      const headers = { authorization: await shopperAuthorization("shopper") };
      return api.app.inject({
        method: "POST",
        url: "/purchase/paused",
        headers,
        payload: { paymentMethod: "pm_card_visa" },
      });
    };
    for (const action of ["pause", "pause"]) {
      const answer = await ask("POST", `/ops/api/items/paused/${action}`);
      expect([answer.statusCode, answer.json()]).toMatchObject([200, { status: "paused", paused: true }]);
    }
    const other = await createTestApi(world);
    await eventually("the other server knows", async () => {
      return (await other.app.inject("/items/paused")).json<{ status: string }>().status === "paused";
    });
    await other.close();
    const refused = await buy();
    expect([refused.statusCode, refused.json()]).toMatchObject([409, { code: "sale_paused" }]);
    await ask("POST", "/ops/api/items/paused/resume");
    expect((await buy()).statusCode).toBe(202);
    expect((await trail("item paused")).map(({ action }) => action)).toEqual([
      "item.resume",
      "item.pause",
      "item.create",
    ]);
  });

  test("whoever may only look is refused whatever is not looking, and leaves no trace", async () => {
    const bob = { authorization: basic("bob") };
    expect((await ask("GET", "/ops/api/me", undefined, bob)).json()).toEqual({ operator: "bob", role: "look" });
    expect((await ask("GET", "/ops/api/items", undefined, bob)).statusCode).toBe(200);
    const answers = await Promise.all([
      ask("PUT", "/ops/api/items/of-bob", jacket, bob),
      ask("PATCH", "/ops/api/items/twice", { name: "Mine" }, bob),
      ask("POST", "/ops/api/items/twice/restock", { units: 5 }, bob),
      ask("POST", "/ops/api/items/twice/pause", undefined, bob),
      ask("POST", "/ops/api/lanes/0/pause", undefined, bob),
      ask("PUT", "/ops/queues/api/queues/lane-0/1/retry", undefined, bob),
    ]);
    for (const answer of answers)
      expect([answer.statusCode, answer.json()]).toMatchObject([403, { code: "forbidden" }]);
    expect(await trail("item of-bob")).toEqual([]);
  });

  test("the audit trail says who did it, from where, page by page, the newest first", async () => {
    const ada = { authorization: basic("ada") };
    await ask("PUT", "/ops/api/items/of-ada", jacket, ada);
    await ask("POST", "/ops/api/lanes/1/pause", undefined, ada);
    await ask("POST", "/ops/api/lanes/1/resume", undefined, ada);
    expect(await trail("lane 1")).toMatchObject([
      {
        action: "lane.resume",
        operator: "ada",
        address: "127.0.0.1",
        before: { paused: true },
        after: { paused: false },
      },
      { action: "lane.pause", operator: "ada", before: { paused: false }, after: { paused: true } },
    ]);
    const all: number[] = [];
    for (let after = ""; ; ) {
      const page = await ask("GET", `/ops/api/audit?limit=3${after}`);
      const { entries, next } = page.json<{ entries: { id: number }[]; next: string | null }>();
      all.push(...entries.map(({ id }) => id));
      if (next === null) break;
      after = `&after=${next}`;
    }
    expect(all).toEqual(all.toSorted((a, b) => b - a));
    expect(all.length).toBeGreaterThan(5);
    expect((await ask("GET", "/ops/api/audit?after=x")).statusCode).toBe(400);
  });

  test("an entry is never changed or taken away", async () => {
    for (const statement of [sql`update operations_audit set operator = 'eve'`, sql`delete from operations_audit`])
      await expect(statement.execute(world.db)).rejects.toThrow("only added to");
  });

  test("a change whose entry cannot be written is not made", async () => {
    await putOnSale("audited");
    await sql`alter table operations_audit add constraint full_disk check (subject <> 'item audited') not valid`.execute(
      world.db,
    );
    expect((await ask("PATCH", "/ops/api/items/audited", { name: "Unseen" })).statusCode).toBe(500);
    expect((await ask("POST", "/ops/api/items/audited/restock", { units: 5 })).statusCode).toBe(500);
    await sql`alter table operations_audit drop constraint full_disk`.execute(world.db);
    expect((await ask("GET", "/ops/api/items/audited")).json()).toMatchObject({ name: "Jacket", stocked: 10 });
  });

  test.each(["/ops/api/lanes/99/pause", "/ops/api/lanes/x/resume", "/ops/api/lanes/-1/pause"])(
    "%s is 404",
    async (url) => {
      expect((await ask("POST", url)).json()).toMatchObject({ code: "lane_not_found" });
    },
  );

  test("an API server that dies between a change and its entry has changed nothing, and may be asked again", async () => {
    await putOnSale("cut");
    const change = () => ask("PATCH", "/ops/api/items/cut", { name: "Coat" });
    await world.db.transaction().execute(async (trx) => {
      await sql`lock table operations_audit in share row exclusive mode`.execute(trx);
      const asked = change();
      const killed = async () => {
        const { rows } = await sql<{ killed: boolean }>`
          select pg_terminate_backend(pid) as killed from pg_locks
          where relation = 'operations_audit'::regclass and not granted`.execute(trx);
        return rows.length > 0;
      };
      await eventually("it is killed before its entry", killed);
      expect((await asked).statusCode).toBeGreaterThanOrEqual(500);
    });
    expect((await ask("GET", "/ops/api/items/cut")).json()).toMatchObject({ name: "Jacket" });
    expect((await trail("item cut")).map(({ action }) => action)).toEqual(["item.create"]);
    expect((await change()).json()).toMatchObject({ name: "Coat" });
    expect((await trail("item cut")).map(({ action }) => action)).toEqual(["item.change", "item.create"]);
  });

  test("a pause and a change at once are both made", async () => {
    await putOnSale("both");
    const answers = await Promise.all([
      ask("PATCH", "/ops/api/items/both", { name: "Coat" }),
      ask("POST", "/ops/api/items/both/pause"),
      ask("PATCH", "/ops/api/items/both", { price: 5_900 }),
    ]);
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
    expect((await ask("GET", "/ops/api/items/both")).json()).toMatchObject({
      name: "Coat",
      price: 5_900,
      paused: true,
    });
    expect(await trail("item both")).toHaveLength(4);
  });

  test("a dead job is listed with its reason, and replayed once by two who ask at once", async () => {
    const lane = new Queue("{lane-0}", { connection: world.redis, prefix: world.keys.queues });
    const dead = await addDeadJob(lane, world);
    const id = `lane-0/${dead.id}`;
    const { jobs } = (await ask("GET", "/ops/api/jobs/failed")).json<{ jobs: object[] }>();
    expect(jobs).toMatchObject([{ id, queue: "lane-0", reason: "poison", orders: null }]);
    const replay = () => ask("POST", `/ops/api/jobs/${encodeURIComponent(id)}/replay`);
    const answers = await Promise.all([replay(), replay()]);
    expect(answers.map(({ statusCode }) => statusCode).toSorted((a, b) => a - b)).toEqual([202, 409]);
    expect(answers.find(({ statusCode }) => statusCode === 409)?.json()).toMatchObject({ code: "job_not_dead" });
    expect(await dead.getState()).toBe("waiting");
    expect((await trail(`job ${id}`))[0]).toMatchObject({ action: "job.replay", before: { reason: "poison" } });
    await lane.obliterate({ force: true });
    await lane.close();
  });

  test("a job that is not dead, or not there, is not replayed", async () => {
    expect((await ask("GET", "/ops/api/jobs/failed")).json()).toEqual({ jobs: [] });
    for (const id of ["lane-0%2Fjob-1", "nothing", "webhook%2Fevt_1"])
      expect((await ask("POST", `/ops/api/jobs/${id}/replay`)).json()).toMatchObject({ code: "job_not_found" });
  });
  test("the currency stays while orders for it wait in line, which are paid in the one they were placed in", async () => {
    await putOnSale("waited-for");
    const bought = await api.app.inject({
      method: "POST",
      url: "/purchase/waited-for",
      headers: { authorization: await shopperAuthorization("ida") },
      payload: { paymentMethod: "pm_card_visa", metadata: { size: "L" } },
    });
    expect(bought.statusCode).toBe(202);
    const answer = await ask("PATCH", "/ops/api/items/waited-for", { currency: "usd" });
    expect([answer.statusCode, answer.json()]).toMatchObject([400, { errors: [{ field: "body/currency" }] }]);
    expect((await ask("PATCH", "/ops/api/items/waited-for", { currency: "eur", name: "Coat" })).statusCode).toBe(200);
    const known = (await ask("GET", "/ops/api/shoppers/ida")).json<{ orders: object[]; inLine: object[] }>();
    const { id } = bought.json<{ id: string }>();
    expect(known).toMatchObject({ orders: [], inLine: [{ id, itemId: "waited-for", metadata: { size: "L" } }] });
  });
});
