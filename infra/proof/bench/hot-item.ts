import { laneOf, laneQueueName } from "@holdfast/shared/lanes.ts";
import { readLineNumbers } from "@holdfast/shared/line.ts";
import { redisKeys } from "@holdfast/shared/redis.ts";
import { addItem } from "@holdfast/testing/items.ts";
import { waitUntil } from "../../local/processes.ts";
import type { Part } from "../../local/system.ts";
import { type BenchSystem, limitsOff } from "./bench-system.ts";
import { median } from "./compare.ts";
import { type CpuPerPiece, cpuPerPiece, cpuText, watched } from "./cpu.ts";
import { type Answer, percentile, runLoad } from "./load.ts";

const lanes = 4;
const unitsForAll = 10_000_000;
const seconds = 1.5;
const crowd = 50_000;

/** Decisions of one way at one number of connections: medians of the rounds. */
interface Decided {
  readonly way: string;
  readonly connections: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: CpuPerPiece;
}

/**
 * ONE hot item with units for everybody, the answer held until the order is decided; and 202 only,
 * counting decisions.
 */
export interface HotItem {
  readonly held: Decided[];
  readonly accepted: Decided[];
}

interface Way {
  readonly name: string;
  readonly route: string;
  readonly url: string;
  readonly wait?: number;
  readonly processes: readonly Part[];
}

export async function compareHotItem(
  system: BenchSystem,
  rounds: number,
  say: (text: string) => void,
): Promise<HotItem> {
  const simulator = await system.start("simulator");
  const bare = await system.start("bare");
  const env = { STRIPE_API_BASE: simulator.url ?? "" };
  const worker = await system.start("worker", env);
  const api = await system.start("api");
  const free = await system.start("api", limitsOff);
  const holdfast = { route: "/purchase", url: api.url ?? "", processes: [api, worker] };
  const opponent = { url: bare.url ?? "", processes: [bare] };
  const ways: Way[] = [
    { name: "one statement per purchase", route: "/every-row", ...opponent },
    { name: "the same, rows for winners only", route: "/winners-only", ...opponent },
    { name: "the same, batched by the turn of the event loop", route: "/batching", ...opponent },
    { name: "Holdfast, the answer held", wait: 20, ...holdfast },
    { name: "Holdfast, limits off", wait: 20, ...holdfast, url: free.url ?? "", processes: [free, worker] },
  ];
  const acceptedWays: Way[] = [ways[0] as Way, { name: "Holdfast, 202 only", ...holdfast }];
  try {
    say("  One hot item, units for everybody: decided a second, p50 and p99 in ms; µs of CPU each");
    const held: Decided[] = [];
    for (const connections of [1, 8, 50, 200]) held.push(...(await decidedBy(system, ways, connections, rounds, say)));
    say("  The same, 202 only, until the last is decided");
    return { held, accepted: await decidedBy(system, acceptedWays, 200, rounds, say) };
  } finally {
    for (const part of [api, free, worker, bare, simulator]) await part.stop();
    await system.redis.flushall();
  }
}

async function decidedBy(
  system: BenchSystem,
  ways: readonly Way[],
  connections: number,
  rounds: number,
  say: (text: string) => void,
): Promise<Decided[]> {
  const runs = ways.map((): Omit<Decided, "way" | "connections">[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, way] of ways.entries()) {
      const run = await decideOnce(system, way, connections);
      if (round > 0) runs[i]?.push(run); // the first round warms up
    }
  }
  return ways.map(({ name }, i) => {
    const own = runs[i] ?? [];
    const middle = (value: (run: Omit<Decided, "way" | "connections">) => number) => median(own.map(value));
    const decided = {
      way: name,
      connections,
      perSecond: middle((run) => run.perSecond),
      p50Ms: middle((run) => run.p50Ms),
      p99Ms: middle((run) => run.p99Ms),
      cpuUs: own.at(-1)?.cpuUs ?? {},
    };
    const { perSecond, p50Ms, p99Ms, cpuUs } = decided;
    say(
      `    ${String(connections).padStart(3)} ${name.padEnd(48)} ${perSecond.toFixed(0).padStart(6)}/s  ${p50Ms.toFixed(2).padStart(6)} ${p99Ms.toFixed(2).padStart(7)} ms  ${cpuText(cpuUs)}`,
    );
    return decided;
  });
}

let items = 0;
let shopper = 0;

async function decideOnce(system: BenchSystem, { route, url, wait, processes }: Way, connections: number) {
  items += 1;
  const itemId = `hot-${Date.now().toString(36)}-${items}`;
  await addItem(system.db, itemId, unitsForAll);
  await (await fetch(`${url}/items/${itemId}`)).arrayBuffer(); // the server knows of it before its sale
  const held = wait !== undefined || route !== "/purchase";
  const check = ({ status, body }: Answer) => {
    if (status !== 202 || (held && !/"status":"(reserved|confirmed)"/.test(body))) {
      throw new Error(`A purchase was answered ${status} ${body}`);
    }
  };
  const request = () => {
    shopper = (shopper + 1) % crowd;
    return system.shoppers.buy(shopper, { path: `${route}/${itemId}`, ...(wait !== undefined && { wait }) });
  };
  let beganAtMs = performance.now();
  const measure = () =>
    cpuPerPiece(watched([...processes, ...system.storage.servers]), async () => {
      beganAtMs = performance.now();
      const load = await runLoad({ url, connections, request, check, until: { seconds } });
      if (!held) await allDecided(system, itemId);
      return { pieces: load.answers, load };
    });
  const { load, cpuUs } = await (route === "/purchase" ? measure() : system.withoutCharging(measure));
  const tookSeconds = held ? load.seconds : (performance.now() - beganAtMs) / 1_000;
  return {
    perSecond: load.answers / tookSeconds,
    p50Ms: percentile(load, 0.5),
    p99Ms: percentile(load, 0.99),
    cpuUs: { ...cpuUs, load: Math.round(load.cpuUs / load.answers) },
  };
}

async function allDecided({ redis }: BenchSystem, itemId: string): Promise<void> {
  const queueName = laneQueueName(laneOf(itemId, lanes));
  await waitUntil(60_000, "all orders to be decided", async () => {
    const { accepted, decided } = await readLineNumbers({ redis, keys: redisKeys("") }, queueName);
    return decided >= accepted;
  });
}
