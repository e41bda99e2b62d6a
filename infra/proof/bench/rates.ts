import { addItem } from "@holdfast/testing/items.ts";
import { type BenchSystem, limitsOff } from "./bench-system.ts";
import { type Compared, compare } from "./compare.ts";
import { cpuPerPiece, watched } from "./cpu.ts";
import { type Answer, runLoad } from "./load.ts";
import { newIdempotencyKey } from "./shoppers.ts";

const connections = 200;
const seconds = 1.5;
const crowd = 50_000; // shoppers: in a run of so many seconds nobody comes to a limit
const readers = 2_000;

/**
 * What one API server does at most, against bare routes of one other Fastify server with the same
 * token check and schemas.
 */
export interface Rates {
  readonly accept: Compared[];
  readonly soldOut: Compared[];
  readonly read: Compared[];
}

export async function compareRates(system: BenchSystem, rounds: number, say: (text: string) => void): Promise<Rates> {
  await addItem(system.db, "accepted", 100_000_000);
  await addItem(system.db, "sold-out", 0);
  const bare = await system.start("bare");
  const api = await system.start("api");
  const unlimited = await system.start("api", { ...limitsOff, REDIS_PREFIX: "unlimited:" });
  let shopper = 0;
  const next = () => {
    shopper = (shopper + 1) % crowd;
    return shopper;
  };
  const post = (part: typeof bare, path: string, check: (answer: Answer) => void, keyed = false) => ({
    run: async () => {
      const processes = watched([part, ...system.storage.servers]);
      const done = await cpuPerPiece(processes, async () => {
        const request = () =>
          system.shoppers.buy(next(), { path, ...(keyed && { idempotencyKey: newIdempotencyKey() }) });
        const load = await runLoad({ url: part.url ?? "", connections, request, check, until: { seconds } });
        return { pieces: load.answers, load };
      });
      const { load, pieces } = done;
      return { value: pieces / load.seconds, cpuUs: { ...done.cpuUs, load: Math.round(load.cpuUs / pieces) } };
    },
  });
  const answered =
    (status: number, code = "") =>
    (answer: Answer) => {
      if (answer.status === status && answer.body.includes(code)) return;
      throw new Error(`Expected ${status} ${code}, and not ${answer.status} ${answer.body}`);
    };
  const [accepted, refused] = [answered(202), answered(409, "out_of_stock")];
  try {
    say("  Accepting a purchase, one API server, nobody decides: answers a second; µs of CPU each");
    const bareRoute = {
      name: "a bare Fastify route: token and body checked, answered",
      ...post(bare, "/bare", accepted),
    };
    const accept = await compare(
      rounds,
      [
        bareRoute,
        { name: "Holdfast: in line in Redis, on its disk", ...post(api, "/purchase/accepted", accepted) },
        { name: "the same, limits off", ...post(unlimited, "/purchase/accepted", accepted) },
        { name: "the same, under an Idempotency-Key", ...post(api, "/purchase/accepted", accepted, true) },
      ],
      say,
    );
    say("  Refusing one of an item that is sold out");
    const soldOut = await compare(
      rounds,
      [
        bareRoute,
        { name: "Holdfast: out of stock", ...post(api, "/purchase/sold-out", refused) },
        { name: "the same, limits off", ...post(unlimited, "/purchase/sold-out", refused) },
        { name: "the same, under an Idempotency-Key", ...post(api, "/purchase/sold-out", refused, true) },
      ],
      say,
    );
    say("  Reading an order in line");
    const read = await compareReading(system, bare, api, rounds, say);
    return { accept, soldOut, read };
  } finally {
    await Promise.all([bare.stop(), api.stop(), unlimited.stop()]);
    await system.redis.flushall();
  }
}

async function compareReading(
  system: BenchSystem,
  bare: { readonly url: string | null },
  api: { readonly url: string | null },
  rounds: number,
  say: (text: string) => void,
): Promise<Compared[]> {
  const paths: string[] = [];
  const place = {
    url: api.url ?? "",
    connections: 1,
    request: (n: number) => system.shoppers.buy(n, { path: "/purchase/accepted" }),
    check: ({ body }: Answer) => void paths.push(`/orders/${(JSON.parse(body) as { id: string }).id}`),
    until: { requests: readers },
  };
  await runLoad(place);
  const readAt = (url: string | null, path: string | null) => async () => {
    const request = (n: number) => system.shoppers.read(n % readers, path ?? paths[n % readers] ?? "");
    const check = ({ status, body }: Answer) => {
      if (status !== 200) throw new Error(`A read was answered ${status} ${body}`);
    };
    const load = await runLoad({ url: url ?? "", connections, request, check, until: { seconds } });
    return { value: load.answers / load.seconds };
  };
  return compare(
    rounds,
    [
      { name: "a bare Fastify route: token checked, one Redis GET", run: readAt(bare.url, "/bare/order") },
      { name: "Holdfast: the order with its place in line", run: readAt(api.url, null) },
    ],
    say,
  );
}
