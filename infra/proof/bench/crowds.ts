import { addItem } from "@holdfast/testing/items.ts";
import type { Part } from "../../local/system.ts";
import { type BenchSystem, limitsOff } from "./bench-system.ts";
import { type Compared, compare, median } from "./compare.ts";
import { cpuPerPiece, watched } from "./cpu.ts";
import { type Answer, runLoad } from "./load.ts";
import { newIdempotencyKey } from "./shoppers.ts";

const buyers = 5_000;
const units = 100;
const connections = 200;
const crowdsUntilWarm = 10;

/**
 * 5,000 shoppers and 100 units: how long until the last of them knows whether they get one. One API
 * server and one worker, against one Fastify server that decides in Postgres. Payments come after
 * that and are the same for both.
 */
export interface Crowds {
  /** Servers that have served ten crowds: crowds a second. */
  readonly warm: Compared[];
  /** The first crowd after start, in seconds, a value a round. */
  readonly cold: { readonly opponent: number[]; readonly holdfast: number[]; readonly tenth: number[] };
  /** From the start of a process until it serves, in seconds. */
  readonly ready: { readonly bare: number[]; readonly api: number[]; readonly worker: number[] };
}

interface Way {
  readonly url: string;
  readonly route: string;
  readonly processes: readonly Part[];
  readonly wait?: number;
  readonly keyed?: boolean;
}

export async function compareCrowds(system: BenchSystem, rounds: number, say: (text: string) => void): Promise<Crowds> {
  const simulator = await system.start("simulator");
  const cold: Crowds["cold"] = { opponent: [], holdfast: [], tenth: [] };
  const ready: Crowds["ready"] = { bare: [], api: [], worker: [] };
  const timed = async (times: number[], program: "bare" | "api" | "worker", env?: Record<string, string>) => {
    const startedAtMs = performance.now();
    const part = await system.start(program, env);
    times.push((performance.now() - startedAtMs) / 1_000);
    return part;
  };
  const open: Part[] = [];
  try {
    for (let round = 1; round <= Math.min(3, rounds); round++) {
      await Promise.all(open.splice(0).map((part) => part.stop()));
      const bare = await timed(ready.bare, "bare");
      open.push(bare);
      cold.opponent.push(await crowdSeconds(system, everyRow(bare)));
      const worker = await timed(ready.worker, "worker", { STRIPE_API_BASE: simulator.url ?? "" });
      open.unshift(worker);
      const api = await timed(ready.api, "api");
      open.unshift(api);
      const times: number[] = [];
      for (let i = 0; i < crowdsUntilWarm; i++) times.push(await crowdSeconds(system, held(api, worker)));
      cold.holdfast.push(times[0] ?? Number.NaN);
      cold.tenth.push(median(times.slice(-3)));
    }
    const seconds = (values: readonly number[]) => values.map((value) => value.toFixed(2)).join(" ");
    say(
      `  First crowd of ${buyers} after start, seconds: opponent ${seconds(cold.opponent)}, Holdfast ${seconds(cold.holdfast)}; its last three of ten ${seconds(cold.tenth)}`,
    );
    say(
      `    ready after: bare route ${seconds(ready.bare)}, API ${seconds(ready.api)}, worker ${seconds(ready.worker)}`,
    );
    const [api, worker, bare] = open as [Part, Part, Part];
    const free = await system.start("api", limitsOff);
    open.unshift(free);
    const way = (name: string, one: Way) => ({
      name,
      run: async () => {
        const { took, cpuUs } = await crowd(system, one);
        return { value: 1 / took, cpuUs };
      },
    });
    say(
      `  ${buyers} shoppers, ${units} units, until the last of them knows: crowds a second; µs of CPU for each shopper`,
    );
    const warm = await compare(
      rounds,
      [
        way("one statement per purchase, every loser a row", everyRow(bare)),
        way("the same, rows for winners only", { ...everyRow(bare), route: "/winners-only" }),
        way("the same, batched by the turn of the event loop", { ...everyRow(bare), route: "/batching" }),
        way("Holdfast, the answer held (Prefer: wait)", held(api, worker)),
        way("Holdfast, under Idempotency-Keys", { ...held(api, worker), keyed: true }),
        way("Holdfast, limits off", held(free, worker)),
        way("a bare Fastify route: 5,000 answers", { ...everyRow(bare), route: "/bare" }),
      ],
      say,
    );
    return { warm, cold, ready };
  } finally {
    for (const part of [...open, simulator]) await part.stop();
    await system.redis.flushall();
  }
}

const everyRow = (bare: Part): Way => ({ url: bare.url ?? "", route: "/every-row", processes: [bare] });
const held = (api: Part, worker: Part): Way => ({
  url: api.url ?? "",
  route: "/purchase",
  wait: 20,
  processes: [api, worker],
});

const crowdSeconds = async (system: BenchSystem, way: Way) => (await crowd(system, way)).took;

let crowds = 0;

async function crowd(system: BenchSystem, { url, route, processes, wait, keyed = false }: Way) {
  crowds += 1;
  const itemId = `crowd-${Date.now().toString(36)}-${crowds}`;
  await addItem(system.db, itemId, units);
  await (await fetch(`${url}/items/${itemId}`)).arrayBuffer(); // the server knows of it before its sale
  const path = route === "/bare" ? route : `${route}/${itemId}`;
  // Made before they are sent, as five thousand browsers would have them ready.
  const requests = Array.from({ length: buyers }, (_, i) =>
    system.shoppers.buy((crowds % 20) * buyers + i, {
      path,
      ...(wait !== undefined && { wait }),
      ...(keyed && { idempotencyKey: newIdempotencyKey() }),
    }),
  );
  let winners = 0;
  const check = ({ status, body }: Answer) => {
    if (status === 202 && /"status":"(reserved|confirmed)"/.test(body)) winners += 1;
    else if (route !== "/bare" && !body.includes("out_of_stock"))
      throw new Error(`A shopper was answered ${status} ${body}`);
  };
  const measure = () =>
    cpuPerPiece(watched([...processes, ...system.storage.servers]), async () => {
      const load = await runLoad({
        url,
        connections,
        request: (n) => requests[n] as Buffer,
        check,
        until: { requests: buyers },
      });
      return { pieces: load.answers, load };
    });
  const { load, cpuUs } = await (route === "/purchase" ? measure() : system.withoutCharging(measure));
  if (route !== "/bare" && winners !== units) throw new Error(`${winners} shoppers got one of ${units} units`);
  return { took: load.seconds, cpuUs: { ...cpuUs, load: Math.round(load.cpuUs / buyers) } };
}
