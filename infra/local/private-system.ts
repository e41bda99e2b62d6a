import { randomBytes } from "node:crypto";
import { type Part, runMigrations, startPart } from "./system.ts";

export interface PrivateSystem {
  readonly apiUrls: readonly string[];
  /** Where the API servers' metrics are. */
  readonly adminUrls: readonly string[];
  readonly simulatorUrl: string;
  readonly jwtSecret: string;
  readonly opsPassword: string;
  readonly apis: readonly Part[];
  readonly workers: readonly Part[];
  /** Starts one more worker, or one in a dead one's place. */
  addWorker(): Promise<Part>;
  stop(): Promise<void>;
}

/**
 * A whole system for a load test or a test of the whole: `apis` API servers and `workers` workers
 * as processes of their own, with a payment simulator, on a Postgres and a Redis that are there
 * already.
 * @param env for all processes; at least DATABASE_URL and REDIS_URL
 * @param migrationsUrl where Postgres is reached for the migrations, where DATABASE_URL leads to a
 *   pooler: they hold a lock over several transactions
 */
export async function startPrivateSystem(options: {
  readonly apis: number;
  readonly workers: number;
  readonly env: Readonly<Record<string, string>>;
  readonly migrationsUrl?: string;
  readonly simulatorEnv?: Readonly<Record<string, string>>;
  readonly logDirectory: string;
}): Promise<PrivateSystem> {
  const { logDirectory } = options;
  const jwtSecret = randomBytes(32).toString("hex");
  const opsPassword = randomBytes(12).toString("hex");
  const { env: given, migrationsUrl = given.DATABASE_URL ?? "" } = options;
  await runMigrations({ ...given, DATABASE_URL: migrationsUrl }, logDirectory);

  const parts: Part[] = [];
  const start = async (...[program, name, env]: [Parameters<typeof startPart>[0], string, Record<string, string>]) => {
    const part = await startPart(program, name, env, logDirectory);
    parts.push(part);
    return part;
  };
  const stop = async () => {
    // The simulator last: charges in hand are finished before a worker ends.
    for (const group of [parts.slice(1), parts.slice(0, 1)]) await Promise.all(group.map((part) => part.stop()));
  };
  try {
    const simulator = await start("simulator", "simulator", { PORT: "0", ...options.simulatorEnv });
    const env = {
      ...options.env,
      PORT: "0",
      ADMIN_PORT: "0",
      JWT_SECRET: jwtSecret,
      JWKS_URL: "",
      OPS_PASSWORD: opsPassword,
      STRIPE_SECRET_KEY: "sk_test_simulator",
      STRIPE_API_BASE: simulator.url ?? "",
      ADDRESS_RATE_PER_MINUTE: "0", // all shoppers come from one address here
    };
    const numbered = async (program: "api" | "worker", count: number) => {
      const starts = Array.from({ length: count }, (_, i) => start(program, `${program}-${i + 1}`, env));
      await Promise.allSettled(starts); // where one fails, the others are to be stopped
      return Promise.all(starts);
    };
    const workers = await numbered("worker", options.workers);
    const apis = await numbered("api", options.apis);
    const addWorker = () => start("worker", `worker-${parts.length}`, env);
    const apiUrls = apis.map((api) => api.url ?? "");
    const adminUrls = apis.map((api) => api.adminUrl ?? "");
    const simulatorUrl = simulator.url ?? "";
    return { apiUrls, adminUrls, simulatorUrl, jwtSecret, opsPassword, apis, workers, addWorker, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
