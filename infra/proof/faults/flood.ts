import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { addItem } from "@holdfast/testing/items.ts";
import type { FloodOrder, FloodResult } from "./flood-source.ts";
import type { Finding } from "./judge.ts";
import type { Scenario } from "./scenario.ts";
import { signToken } from "./shopper.ts";
import type { Stage } from "./stage.ts";

const times = 10;
const honestShoppers = 300;
const greedyShoppers = 10; // who send half of it, and meet their limit
const connections = 256;
const mostResidentBytes = 512 * 1024 * 1024; // a process at rest takes a quarter of it

/**
 * Purchases at ten times the rate the system takes them at, while the crowd goes on shopping.
 * Everyone may have one unit, so the flood passes through the line without ending in ten thousand
 * payments.
 */
export const flooded: Scenario = {
  name: "flood",
  title:
    "a flood of ten times the capacity: what is accepted is answered, the rest gets 429 or 503, memory stays flat, no process dies",
  alone: true,
  slowToSettle: true, // what the flood got is paid at the provider's rate
  async strike({ stage, chance, lasting }) {
    const itemId = `flood-${Date.now().toString(36)}`;
    await addItem(stage.db, itemId, 1_000_000, { max_per_shopper: 1 });
    const sign = (shopper: string) => signToken(stage.jwtSecret, `${shopper}-${crypto.randomUUID()}`);
    const honest = await Promise.all(Array.from({ length: honestShoppers }, () => sign("flood")));
    const greedy = await Promise.all(Array.from({ length: greedyShoppers }, () => sign("greedy")));
    const source = { urls: stage.apiUrls, itemId, connections };

    const trial = await startFlood({ ...source, tokens: honest, ratePerSecond: null, seconds: 1, connections: 32 });
    const capacity = Math.max(1, trial.statuses[202] ?? 0);
    const tokens = chance.shuffled(honest.flatMap((token, i) => [token, greedy[i % greedy.length] as string]));
    const memory = watchMemory(stage);
    const struckAtMs = Date.now();
    const seconds = lasting(6, 30);
    const result = await startFlood({ ...source, tokens, ratePerSecond: times * capacity, seconds });
    const backAtMs = Date.now();
    const ids = [...trial.acceptedIds, ...result.acceptedIds];
    const unsettled = await untilSettled(stage, ids);
    const told = Object.entries(result.statuses).map(([status, count]) => `${count} × ${status}`);
    return {
      struckAtMs,
      backAtMs,
      note: `${capacity}/s accepted, ${times * capacity}/s offered, ${told.join(", ")}, ${result.unsent} unsent`,
      findings: [...floodFindings(result, unsettled), ...memory.stop(), await noRowTooMany(stage, itemId, ids, result)],
    };
  },
};

function startFlood(order: FloodOrder): Promise<FloodResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./flood-source.ts", import.meta.url), { workerData: order });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

function floodFindings(result: FloodResult, unsettled: number): Finding[] {
  const { statuses, broken, unanswered, withoutRetryAfter } = result;
  const refused = (statuses[429] ?? 0) + (statuses[503] ?? 0);
  const others = Object.entries(statuses).filter(([status]) => !["202", "429", "503"].includes(status));
  return [
    { check: "the flood was more than was taken", ok: refused > 0, found: `${refused} refused` },
    { check: "the rest got 429 or 503", ok: others.length === 0, found: JSON.stringify(others) },
    {
      check: "every refusal said when to come back",
      ok: withoutRetryAfter === 0,
      found: `${withoutRetryAfter} did not`,
    },
    {
      check: "every request was answered",
      ok: broken + unanswered === 0,
      found: `${broken} broken, ${unanswered} without an answer`,
    },
    { check: "every order the flood got was settled", ok: unsettled === 0, found: `${unsettled} were not` },
  ];
}

const settleTimeoutMs = 120_000;

/** Waits until so many orders are in a final state. @returns how many are not */
async function untilSettled({ db }: Stage, ids: readonly string[]): Promise<number> {
  const deadline = Date.now() + settleTimeoutMs;
  for (;;) {
    const { settled } = await db
      .selectFrom("orders")
      .select((eb) => eb.fn.countAll<number>().as("settled"))
      .where("id", "=", (eb) => eb.fn.any(eb.val(ids)))
      .where("settled_at", "is not", null)
      .executeTakeFirstOrThrow();
    if (settled === ids.length || Date.now() > deadline) return ids.length - settled;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Without Idempotency-Keys a request that got no answer may have an order; no other one may. */
async function noRowTooMany(
  { db }: Stage,
  itemId: string,
  ids: readonly string[],
  { broken, unanswered }: FloodResult,
): Promise<Finding> {
  const { rows } = await db
    .selectFrom("orders")
    .select((eb) => eb.fn.countAll<number>().as("rows"))
    .where("item_id", "=", itemId)
    .executeTakeFirstOrThrow();
  const found = `${rows} rows for ${ids.length}`;
  return { check: "each 202 has one row", ok: rows >= ids.length && rows <= ids.length + broken + unanswered, found };
}

/**
 * Samples what each process takes of the machine's memory, from /proc; elsewhere there is nothing
 * to see.
 */
function watchMemory({ apis, workers }: Stage): { stop(): Finding[] } {
  const samples = new Map([...apis, ...workers].map((one) => [one, [] as number[]]));
  const timer = setInterval(() => {
    for (const [one, seen] of samples) {
      void residentBytes(one.pid).then((bytes) => bytes !== null && seen.push(bytes));
    }
  }, 500);
  return {
    stop() {
      clearInterval(timer);
      return [...samples].map(([{ name }, seen]) => {
        const third = Math.ceil(seen.length / 3);
        const peak = (values: readonly number[]) => Math.max(0, ...values);
        const [middle, last] = [peak(seen.slice(third, 2 * third)), peak(seen.slice(2 * third))];
        const mb = (bytes: number) => `${Math.round(bytes / 1_048_576)} MB`;
        return {
          check: `${name}'s memory stayed flat`,
          ok: peak(seen) < mostResidentBytes && last <= 1.3 * middle + 32 * 1_048_576,
          found: `at most ${mb(peak(seen))}; ${mb(middle)} in the middle third, ${mb(last)} in the last`,
        };
      });
    },
  };
}

async function residentBytes(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /VmRSS:\s+(\d+)/.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1_024;
}
