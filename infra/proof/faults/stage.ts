import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type Database, openDatabase } from "@holdfast/shared/database.ts";
import { connectRedis, type RedisClient, type RedisKeys, redisKeys, requireRedis } from "@holdfast/shared/redis.ts";
import { readKnownGeneration } from "@holdfast/shared/redis-generation.ts";
import { type CuttableProxy, cuttableProxy } from "@holdfast/testing/cuttable-proxy.ts";
import { postgresUrl, startPostgres } from "../../local/postgres.ts";
import { waitUntil } from "../../local/processes.ts";
import { redisUrl, startRedis } from "../../local/redis.ts";
import { runMigrations, startPart } from "../../local/system.ts";
import type { RandomFaults } from "../../stripe-simulator/faults.ts";
import type { SimulatorSettings } from "../../stripe-simulator/settings.ts";
import { lastingPort, type Machine, machine } from "./machine.ts";

/**
 * The connections between the parts, each through a proxy that can cut, slow down and freeze it.
 */
export const linkNames = [
  "api-redis",
  "api-postgres",
  "worker-redis",
  "worker-postgres",
  "worker-simulator",
  "simulator-api",
] as const;
type LinkName = (typeof linkNames)[number];

/** A whole system to break: every part a process of its own, every connection breakable. */
export interface Stage {
  readonly apis: readonly Machine[];
  readonly workers: readonly Machine[];
  readonly postgres: Machine;
  readonly redis: Machine;
  readonly links: Readonly<Record<LinkName, CuttableProxy>>;
  readonly apiUrls: readonly string[];
  readonly simulatorUrl: string;
  readonly jwtSecret: string;
  /** The judge's own ways to Postgres and to Redis, which no fault touches but the servers' own. */
  readonly db: Database;
  readonly databaseUrl: string;
  readonly redisClient: RedisClient;
  readonly keys: RedisKeys;
  readonly directory: string;
  /** Where Redis keeps its data; another folder counts from its next start on. */
  redisDirectory: string;
  /** Where new connections of API and worker to Redis lead to. */
  redisPort: number;
  readonly redisPassword: string;
  /** Which share of the payment provider's answers goes wrong, and how; null for none. */
  setProviderFaults(faults: RandomFaults | null): Promise<void>;
  /** The only secret key that the payment provider takes; null for any. */
  setProviderKey(secretKey: string | null): Promise<void>;
  close(): Promise<void>;
}

const MAX_LINE = "3000"; // orders: short enough that a flood meets its end
const chargeRatePerSecond = 200; // the provider's real limit of 25 is for real money; here it would only take time

/**
 * Longer than a screen: what a whole system consists of, in the order in which it starts.
 * @param directory for all data and logs
 */
export async function openStage(directory: string, env: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const logDirectory = join(directory, "log");
  const [databasePort, redisPort, simulatorPort, ...apiPorts] = await distinctPorts(5);
  const databaseUrl = await postgresUrl(join(directory, "postgres"), databasePort);
  const redisPassword = randomBytes(24).toString("hex"); // one for every folder it may be moved to
  const simulatorUrl = `http://127.0.0.1:${simulatorPort}`;
  const apiUrls = apiPorts.map((port) => `http://127.0.0.1:${port}`);
  const where = { redis: join(directory, "redis"), redisPort };
  const secrets = { JWT_SECRET: randomBytes(32).toString("hex"), STRIPE_WEBHOOK_SECRET: "whsec_for_the_fault_suite" };

  const postgres = machine(
    "postgres",
    async () => processOf(await startPostgres(join(directory, "postgres"), { port: databasePort })),
    "SIGINT",
  );
  const redis = machine("redis", async () =>
    processOf(
      await startRedis(where.redis, (text) => process.stdout.write(`${text}\n`), {
        port: redisPort,
        password: redisPassword,
      }),
    ),
  );
  const links = await openLinks({ databasePort, redisPort: () => where.redisPort, simulatorPort, apiPorts });
  const common = { ...env, JWKS_URL: "", PURCHASE_LANES: "4", ADDRESS_RATE_PER_MINUTE: "0", MAX_LINE, ...secrets };
  const through = (who: "api" | "worker") => ({
    DATABASE_URL: databaseUrl.replace(`127.0.0.1:${databasePort}`, links[`${who}-postgres`].address),
    REDIS_URL: redisUrl(redisPassword, Number(links[`${who}-redis`].address.split(":")[1])),
  });
  const part = (program: "api" | "worker" | "simulator", name: string, partEnv: Record<string, string>) =>
    machine(name, async (run) => (await startPart(program, `${name}.${run}`, partEnv, logDirectory)).process);
  const simulator = part("simulator", "simulator", { PORT: String(simulatorPort), SIMULATOR_LATENCY_MS: "200" });
  const workers = ["worker-1", "worker-2"].map((name) =>
    part("worker", name, {
      ...common,
      ...through("worker"),
      STRIPE_SECRET_KEY: "sk_test_simulator",
      STRIPE_API_BASE: `http://${links["worker-simulator"].address}`,
      CHARGE_RATE_PER_SECOND: String(chargeRatePerSecond),
    }),
  );
  const apis = apiPorts.map((port, i) =>
    part("api", `api-${i + 1}`, { ...common, ...through("api"), PORT: String(port) }),
  );

  const db = openDatabase(databaseUrl, 4, () => {});
  const redisClient = connectRedis(redisUrl(redisPassword, redisPort), "waiting", () => {});
  const configure = (settings: Partial<SimulatorSettings>) => configureSimulator(simulatorUrl, settings);
  const machines = [...apis, ...workers, simulator, redis, postgres];
  const close = async () => {
    for (const one of machines.slice(0, -2)) if (one.isRunning) one.signal("SIGCONT");
    await Promise.all(Object.values(links).map((link) => link.mend()));
    for (const group of [machines.slice(0, -3), machines.slice(-3)]) {
      await Promise.all(group.map(async (one) => one.isRunning && (await one.terminate())));
    }
    redisClient.disconnect();
    await db.destroy();
    await Promise.all(Object.values(links).map((link) => link.close()));
  };
  try {
    await Promise.all([postgres.start(), redis.start(), simulator.start()]);
    await requireRedis(redisClient);
    await runMigrations({ DATABASE_URL: databaseUrl }, logDirectory);
    const url = `http://${links["simulator-api"].address}/webhooks/stripe`;
    await configure({ webhooks: { url, secret: secrets.STRIPE_WEBHOOK_SECRET, maxDelayMs: 200 } });
    await Promise.all([...workers, ...apis].map((one) => one.start()));
    // Before its first generation has begun nobody can tell that Redis lost anything.
    await waitUntil(10_000, "the first generation", async () => (await readKnownGeneration(db))?.recovered ?? false);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    apis,
    workers,
    postgres,
    redis,
    links,
    apiUrls,
    simulatorUrl,
    jwtSecret: secrets.JWT_SECRET,
    db,
    databaseUrl,
    redisClient,
    keys: redisKeys(""),
    directory,
    get redisDirectory() {
      return where.redis;
    },
    set redisDirectory(folder) {
      where.redis = folder;
    },
    redisPassword,
    get redisPort() {
      return where.redisPort;
    },
    set redisPort(port) {
      where.redisPort = port;
    },
    setProviderFaults: (randomFaults) => configure({ randomFaults }),
    setProviderKey: (secretKey) => configure({ secretKey }),
    close,
  };
}

async function openLinks(ports: {
  databasePort: number;
  redisPort: () => number;
  simulatorPort: number;
  apiPorts: readonly number[];
}): Promise<Record<LinkName, CuttableProxy>> {
  let calls = 0;
  const nextApi = () => ports.apiPorts[calls++ % ports.apiPorts.length] as number;
  const targets: Record<LinkName, number | (() => number)> = {
    "api-redis": ports.redisPort,
    "api-postgres": ports.databasePort,
    "worker-redis": ports.redisPort,
    "worker-postgres": ports.databasePort,
    "worker-simulator": ports.simulatorPort,
    "simulator-api": nextApi, // as a load balancer would
  };
  const open = async (name: LinkName) => [name, await cuttableProxy("127.0.0.1", targets[name])] as const;
  return Object.fromEntries(await Promise.all(linkNames.map(open))) as Record<LinkName, CuttableProxy>;
}

async function distinctPorts(count: 5): Promise<[number, number, number, number, number]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await lastingPort());
  return [...ports] as [number, number, number, number, number];
}

function processOf(server: Awaited<ReturnType<typeof startPostgres>>) {
  if (server.process === null) throw new Error("a server that was started here has a process");
  return server.process;
}

async function configureSimulator(url: string, settings: Partial<SimulatorSettings>): Promise<void> {
  const response = await fetch(`${url}/_simulator/settings`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(settings),
  });
  if (!response.ok) throw new Error(`The simulator does not take its settings: ${await response.text()}`);
}
