import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { unknownVariables } from "@holdfast/shared/unknown-variables.ts";
import closeWithGrace from "close-with-grace";
import { ownFolder } from "./own-folder.ts";
import { freePort } from "./processes.ts";
import { clearLastRun, forgetRun, noteRun } from "./run-file.ts";
import { readStartOptions, requireFreePorts, tryPort } from "./start-options.ts";
import { openStorage } from "./storage.ts";
import { killGroup, type Part, runMigrations, startPart } from "./system.ts";

/**
 * `npm start`: everything on this machine. Finds or starts Postgres and Redis, migrates, starts the
 * payment simulator, an API and a worker as processes of their own, puts an item on sale, and stops
 * all of it on Ctrl-C.
 */

const root = fileURLToPath(new URL("../../", import.meta.url));
const options = readOptions();
if (options === null) process.exit(0);
const { watch } = options;
const directory = resolve(options.data);
const logDirectory = join(directory, "log");
const itemForSale = {
  id: "item_123",
  terms: { name: "Holdfast anniversary jacket", price: 4900, currency: "eur", units: 100 },
};

const say = (text: string) => process.stdout.write(`${text}\n`);
const parts: Part[] = [];
/** What a command beside it needs to find this run: `npm run reconcile`, say. */
const runEnv: Record<string, string> = {};

let stopping = false;
let endedByItself = () => {};
const started = start(options.fresh);
stopWithGrace();
try {
  await started;
} catch (error) {
  if (!stopping) {
    for (const part of parts.toReversed()) await part.stop();
    reportStartFailure("start", error);
  }
}

function readOptions() {
  try {
    return readStartOptions(process.argv.slice(2), process.env, root);
  } catch (error) {
    return reportStartFailure("start", error);
  }
}

async function start(fresh: boolean): Promise<void> {
  await ownFolder(directory, null, 0o755); // its notes say which processes to end, its secrets who may do what
  await clearLastRun(directory, root);
  await requireFreePorts(process.env);
  await noteRun(directory, { parts: [], env: {} });
  if (fresh && (process.env.DATABASE_URL || process.env.REDIS_URL)) {
    say(
      "  --fresh empties only what this program keeps itself; what DATABASE_URL and REDIS_URL point to stays as it is",
    );
  }
  for (const line of unknownVariables(process.env)) say(`  ${line}`);
  const secrets = await localSecrets();

  const storage = await openStorage(directory, process.env, (text) => say(`  ${text}`), fresh);
  for (const server of storage.servers) await keep(server);
  say(`  Postgres    ${storage.origin.postgres}`);
  say(`  Redis       ${storage.origin.redis}`);
  const env = { DATABASE_URL: storage.databaseUrl, REDIS_URL: storage.redisUrl };
  const { REDIS_PREFIX, PURCHASE_LANES } = process.env;
  Object.assign(runEnv, env, REDIS_PREFIX && { REDIS_PREFIX }, PURCHASE_LANES && { PURCHASE_LANES });

  await runMigrations(env, logDirectory);
  say("  Migrations  done");
  const payments = join(directory, "payments.json");
  if (fresh) await rm(payments, { force: true });
  const simulatorEnv = { PORT: "0", HOST: "127.0.0.1", SIMULATOR_FILE: payments };
  const simulator = await startPart("simulator", "stripe-simulator", simulatorEnv, logDirectory);
  await keep(simulator);
  const stripe = { STRIPE_SECRET_KEY: "sk_test_simulator", STRIPE_API_BASE: simulator.url ?? "" };
  Object.assign(runEnv, stripe);
  // ADMIN_PORT of the environment is the API's.
  const workerEnv = { ...env, ...stripe, ADMIN_PORT: await anyPort() };
  const worker = await startPart("worker", "worker", workerEnv, logDirectory, { watch });
  await keep(worker);
  say("  Worker      serving");
  const api = await startApi({ ...env, ...secrets, STRIPE_SIMULATOR_URL: simulator.url ?? "" });
  await keep(api);
  const url = api.url ?? "";
  await sendWebhooks(simulator.url ?? "", `${url}/webhooks/stripe`, secrets.STRIPE_WEBHOOK_SECRET);
  await putOnSale(url, secrets.OPS_PASSWORD);

  say(`
Holdfast is open.

  Storefront  ${url}/
  Operations  ${url}/ops   user ops, password ${passwordHint(secrets.OPS_PASSWORD)}
  Queues      ${url}/ops/queues   the same
  API         ${url}/docs
  Metrics     ${api.adminUrl}/metrics   (ADMIN_PORT says which port it shall be)
              ${worker.adminUrl}/metrics   of the worker
  Payments    ${simulator.url}/_simulator/ledger   (a simulator: no money moves)
  Logs        ${logDirectory}

Ctrl-C stops everything.`);
}

/**
 * One address cannot be told from a crowd on one machine, so nothing is limited per address unless
 * asked for.
 */
async function startApi(env: Record<string, string>): Promise<Part> {
  const local = {
    GUEST_SESSIONS: "on",
    JWKS_URL: undefined,
    ADMIN_PORT: process.env.ADMIN_PORT || (await anyPort()),
    ADDRESS_RATE_PER_MINUTE: process.env.ADDRESS_RATE_PER_MINUTE || "0",
    STOREFRONT_DIRECTORY: process.env.STOREFRONT_DIRECTORY || join(root, "infra/local/shop"),
    ...env,
  };
  let port = process.env.PORT || "3000";
  if (!process.env.PORT && (await tryPort(3000, process.env.HOST || undefined)) !== null) {
    say("  API         port 3000 is taken, so it gets a free one (PORT says which one it shall be)");
    port = await anyPort();
  }
  return startPart("api", "api", { ...local, PORT: port }, logDirectory, { watch });
}

/** A free one; where the API starts again by itself, the same each time. */
async function anyPort(): Promise<string> {
  return watch ? String(await freePort()) : "0";
}

/** The simulator is there before the API it tells of payments. */
async function sendWebhooks(simulatorUrl: string, url: string, secret: string): Promise<void> {
  const response = await fetch(`${simulatorUrl}/_simulator/settings`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ webhooks: { url, secret } }),
  });
  if (!response.ok) throw new Error(`The simulator takes no webhooks: ${await response.text()}`);
}

async function putOnSale(url: string, opsPassword: string): Promise<void> {
  const known = await fetch(`${url}/items/${itemForSale.id}`);
  if (known.ok) return;
  const response = await fetch(`${url}/ops/api/items/${itemForSale.id}`, {
    method: "PUT",
    headers: {
      authorization: `Basic ${Buffer.from(`ops:${opsPassword}`).toString("base64")}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(itemForSale.terms),
  });
  if (!response.ok) throw new Error(`The item could not be put on sale: ${await response.text()}`);
}

/**
 * Takes a started process into our care: it is stopped with us, or by the next run if we are
 * killed.
 */
async function keep(part: Part): Promise<void> {
  parts.push(part);
  part.process.once("exit", (code, signal) => {
    if (stopping) return;
    say(`${part.name} ended by itself (${signal ?? code}); see ${logDirectory}`);
    process.exitCode = 1;
    endedByItself();
  });
  if (stopping) throw new Error("Stopped while starting");
  const pids = parts.map(({ process: child }) => child.pid).filter((pid) => pid !== undefined);
  await noteRun(directory, { parts: pids, env: runEnv });
}

interface LocalSecrets extends Record<string, string> {
  JWT_SECRET: string;
  OPS_PASSWORD: string;
  STRIPE_WEBHOOK_SECRET: string;
}

/**
 * Secrets for this machine alone, kept so that a shopper's token outlives a restart; given ones
 * come first.
 */
async function localSecrets(): Promise<LocalSecrets> {
  const file = join(directory, "secrets.json");
  const kept = await readFile(file, "utf8")
    .then((text) => JSON.parse(text) as Partial<LocalSecrets>)
    .catch(() => ({}) as Partial<LocalSecrets>);
  const secrets: LocalSecrets = {
    JWT_SECRET: kept.JWT_SECRET ?? randomBytes(32).toString("hex"),
    OPS_PASSWORD: kept.OPS_PASSWORD ?? randomBytes(6).toString("hex"),
    STRIPE_WEBHOOK_SECRET: kept.STRIPE_WEBHOOK_SECRET ?? `whsec_${randomBytes(16).toString("hex")}`,
  };
  await writeFile(file, JSON.stringify(secrets), { mode: 0o600 });
  const given = Object.entries(process.env).filter(([name, value]) => name in secrets && value);
  return { ...secrets, ...(Object.fromEntries(given) as Partial<LocalSecrets>) } as LocalSecrets;
}

/** A password made up here is shown, since nobody could know it otherwise; a given one is not. */
function passwordHint(password: string): string {
  return process.env.OPS_PASSWORD ? "as in OPS_PASSWORD" : password;
}

/** The shell that runs this script and the npm above it, as far as the system tells. */
function parentProcesses(): string {
  let grandparent = "";
  try {
    grandparent = /\) \S (\d+)/.exec(readFileSync(`/proc/${process.ppid}/stat`, "utf8"))?.[1] ?? "";
  } catch {
    // no /proc on this system: the parent alone has to do
  }
  return `${process.ppid} ${grandparent}`;
}

function stopWithGrace(): void {
  const stopAll = async () => {
    stopping = true;
    say("\nStopping …");
    await started.catch(() => {}); // what is being started right now is stopped with the rest
    for (const part of parts.toReversed()) await part.stop();
    await forgetRun(directory);
    say("Everything has stopped.");
  };
  endedByItself = closeWithGrace({ delay: 40_000, logger: false }, stopAll).close;
  // Whoever started us (npm, a shell) may be killed without passing it on; nobody should be left
  // running then.
  const parents = parentProcesses();
  setInterval(() => {
    if (parentProcesses() !== parents && !stopping) endedByItself();
  }, 1_000).unref();
  // The last resort, after a second Ctrl-C: what still runs is killed.
  process.on("exit", () => {
    for (const { process: child } of parts) {
      if (child.exitCode === null && child.signalCode === null) killGroup(child);
    }
  });
}
