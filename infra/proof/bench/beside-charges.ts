import { addItem } from "@holdfast/testing/items.ts";
import type { BenchSystem } from "./bench-system.ts";
import { type Compared, compare } from "./compare.ts";
import { cpuPerPiece, watched } from "./cpu.ts";
import { type Answer, runLoad } from "./load.ts";

const connections = 200;
const seconds = 3;
const crowd = 50_000;
const chargesPerSecond = 200;
const backlog = 3_000; // more than are charged in all rounds, so that charging never rests

/**
 * Reserving one hot item, the answer held, while 200 charges a second are made beside it, and while
 * none are. Charging has an item and a worker of its own role, or shares the worker with the lanes,
 * as by default. Longer than a screen: the three ways share one system.
 */
export async function compareBesideCharges(
  system: BenchSystem,
  rounds: number,
  say: (text: string) => void,
): Promise<Compared[]> {
  const simulator = await system.start("simulator");
  const charging = { STRIPE_API_BASE: simulator.url ?? "", CHARGE_RATE_PER_SECOND: String(chargesPerSecond) };
  const api = await system.start("api");
  const url = api.url ?? "";
  let shopper = 0;
  let items = 0;
  const next = () => {
    shopper = (shopper + 1) % crowd;
    return shopper;
  };
  const newItem = async () => {
    items += 1;
    const itemId = `beside-${Date.now().toString(36)}-${items}`;
    await addItem(system.db, itemId, 10_000_000);
    await (await fetch(`${url}/items/${itemId}`)).arrayBuffer();
    return itemId;
  };
  const buyAll = async (wait: number | null, until: { requests: number } | { seconds: number }) => {
    const path = `/purchase/${await newItem()}`;
    const request = () => system.shoppers.buy(next(), { path, ...(wait !== null && { wait }) });
    const check = ({ status, body }: Answer) => {
      if (status !== 202) throw new Error(`A purchase was answered ${status} ${body}`);
    };
    return runLoad({ url, connections, request, check, until });
  };
  const confirmed = async () => {
    const { n } = await system.db
      .selectFrom("orders")
      .select((eb) => eb.fn.countAll<number>().as("n"))
      .where("status", "=", "confirmed")
      .executeTakeFirstOrThrow();
    return Number(n);
  };
  const measured = (workers: readonly Record<string, string>[]) => async () => {
    const started = await Promise.all(workers.map((env) => system.start("worker", { ...charging, ...env })));
    try {
      await buyAll(20, { requests: backlog }); // warms up too; what is reserved is there to be charged
      const before = await confirmed();
      const done = await cpuPerPiece(watched([api, ...started, simulator, ...system.storage.servers]), async () => {
        const load = await buyAll(20, { seconds });
        return { pieces: load.answers, load };
      });
      const charged = Math.round(((await confirmed()) - before) / done.load.seconds);
      return { value: done.pieces / done.load.seconds, cpuUs: { ...done.cpuUs, "charges a second": charged } };
    } finally {
      await Promise.all(started.map((worker) => worker.stop()));
    }
  };
  try {
    say(
      `  Reserving one hot item, answers held: decided a second, with ${chargesPerSecond} charges a second beside it and without`,
    );
    return await compare(
      rounds,
      [
        { name: "no charges: a worker that reserves", run: measured([{ WORKER_ROLES: "reserve" }]) },
        { name: "charges in the same worker", run: measured([{}]) },
        {
          name: "charges in a worker of their own",
          run: measured([{ WORKER_ROLES: "reserve" }, { WORKER_ROLES: "charge,sweep" }]),
        },
      ],
      say,
    );
  } finally {
    await Promise.all([api.stop(), simulator.stop()]);
    await system.redis.flushall();
  }
}
