import { cpus, totalmem } from "node:os";
import type { Database } from "@holdfast/shared/database.ts";
import { sql } from "kysely";
import { waitUntil } from "../../local/processes.ts";
import type { LedgerEntry } from "../../stripe-simulator/provider.ts";
import { audit, type Books } from "./audit.ts";
import { runCrowd } from "./crowd.ts";
import { makeReport, type Report, type RushTerms } from "./report.ts";
import { type Sampler, startSampling, type WatchedProcess } from "./sampler.ts";
import { type OrderSet, Tally } from "./tally.ts";

export interface RushOptions extends Partial<RushTerms> {
  readonly urls: readonly string[];
  /**
   * Where the servers' metrics are, which tell how many are in line; none where that is not to be
   * seen.
   */
  readonly adminUrls: readonly string[];
  readonly opsPassword: string;
  /** Where the provider's ledger is read for the audit; null where it is not to be had. */
  readonly simulatorUrl: string | null;
  /** What the items' ids begin with (`rush-`). */
  readonly idPrefix?: string;
  readonly buyers: number;
  /** Of each item. */
  readonly units: number;
  readonly tokenOf: (shopper: number) => string;
  /** Where Postgres can be read too, the audit holds every single order against it. */
  readonly db: Database | null;
  /** Whose CPU time and memory is to be told. */
  readonly processes?: readonly WatchedProcess[];
  /** Reads how many are in line, where Redis can be asked. */
  readonly readLine?: () => Promise<number>;
  /** Is shown the rush as it goes, and called once more at the end. */
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly buyers: number;
  readonly atMs: number;
  readonly tally: Tally;
  readonly inLine: number | null;
  readonly unitsLeft: number | null;
}

const price = 1_999;
const patienceMs = 180_000;
const progressEveryMs = 100;

/** Puts new items on sale, lets everyone at them, and audits what came of it. */
export async function rush(options: RushOptions): Promise<Report> {
  const { urls, units, opsPassword, simulatorUrl, buyers, db, tokenOf } = options;
  const { items = 1, declines = 0, overMs = 0, follow = "wait", connections = 256 } = options;
  const terms: RushTerms = { buyers, units, items, declines, overMs, follow, connections };
  const run = Date.now().toString(36);
  const itemIds = Array.from({ length: items }, (_, i) => `${options.idPrefix ?? "rush-"}${run}-${i + 1}`);
  const ops = opsClient(urls[0] ?? "", opsPassword);
  for (const id of itemIds) await ops("PUT", `items/${id}`, { name: "Rush", price, currency: "eur", units });
  for (const url of urls) await knowsAll(url, itemIds);

  const tally = new Tally(items);
  const sampler = await startSampling(
    urls[0] ?? "",
    options.adminUrls[0] ?? null,
    itemIds,
    options.processes ?? [],
    options.readLine ?? null,
  );
  const showing = showProgress(options, tally, sampler);
  const beganAt = new Date().toISOString();
  await runCrowd({
    ...terms,
    urls,
    itemIds,
    tokenOf,
    paymentMethodOf: (shopper) => (isDeclined(shopper, declines) ? "pm_card_chargeDeclined" : "pm_card_visa"),
    patienceMs,
    onAccepted: (answeredMs) => tally.noteAccepted(answeredMs),
    onFare: (fare) => tally.note(fare),
  });
  const processes = await sampler.stop();
  showing.end();

  const books = await Promise.all(itemIds.map((id) => ops("GET", `items/${id}/books`) as Promise<Books>));
  const ledger = simulatorUrl === null ? null : await readLedger(simulatorUrl);
  const record = db && (await Promise.all(itemIds.map((id) => readRecord(db, id))));
  const findings = audit({ buyers, itemIds, units, price, tally, books, ledger, record });
  return makeReport(terms, tally, {
    beganAt,
    machine: machine(),
    samples: sampler.samples,
    line: sampler.line(),
    processes,
    findings,
  });
}

async function readLedger(simulatorUrl: string): Promise<LedgerEntry[]> {
  const answer = await fetch(`${simulatorUrl}/_simulator/ledger`);
  return ((await answer.json()) as { payments: LedgerEntry[] }).payments;
}

/** Spread evenly over the line, the same in every run. */
function isDeclined(shopper: number, share: number): boolean {
  return Math.floor((shopper + 1) * share) > Math.floor(shopper * share);
}

export function opsClient(url: string, password: string) {
  const authorization = `Basic ${Buffer.from(`ops:${password}`).toString("base64")}`;
  return async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${url}/ops/api/${path}`, {
      method,
      headers: { authorization, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
}

function knowsAll(url: string, itemIds: readonly string[]): Promise<void> {
  return waitUntil(10_000, `${url} to know the items`, async () => {
    const answers = await Promise.all(itemIds.map((id) => fetch(`${url}/items/${id}`)));
    await Promise.all(answers.map((answer) => answer.arrayBuffer()));
    return answers.every((answer) => answer.ok);
  });
}

/** An item's orders by state, as `digestOf` adds them up. */
async function readRecord(db: Database, itemId: string): Promise<Map<string, OrderSet>> {
  const { rows } = await sql<{ status: string; orders: number; sum: string }>`
    select status, count(*) as orders, sum(('x' || right(id::text, 8))::bit(32)::bigint) as sum
    from orders where item_id = ${itemId} group by status`.execute(db);
  return new Map(rows.map(({ status, orders, sum }) => [status, { orders, sum: Number(sum) }]));
}

function showProgress({ buyers, onProgress }: RushOptions, tally: Tally, sampler: Sampler): { end(): void } {
  if (!onProgress) return { end: () => {} };
  const began = performance.now();
  const show = () => {
    const { inLine = null, unitsLeft = null } = sampler.latest() ?? {};
    onProgress({ buyers, atMs: performance.now() - began, tally, inLine, unitsLeft });
  };
  const timer = setInterval(show, progressEveryMs);
  return {
    end() {
      clearInterval(timer);
      show();
    },
  };
}

/** In a few words: what figures of different machines must not be compared without. */
export function machine(): string {
  const cores = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `${cores.length} × ${cores[0]?.model.trim() ?? "unknown CPU"}, ${gigabytes} GB, ${process.platform}, Node ${process.versions.node}`;
}
