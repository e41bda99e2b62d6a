import { createLog } from "@holdfast/shared/log.ts";
import { readWorkerConfig } from "@holdfast/worker/config.ts";
import { type RunningWorker, startWorker } from "@holdfast/worker/worker.ts";
import type { TestSimulator } from "./simulator.ts";
import type { World } from "./world.ts";

/** A whole worker in this process, wired as `main.ts` does it. */
export function startTestWorker(
  world: World,
  simulator: TestSimulator,
  env: Record<string, string> = {},
): Promise<RunningWorker> {
  const config = readWorkerConfig({
    ...world.env,
    STRIPE_SECRET_KEY: "sk_test_simulator",
    STRIPE_API_BASE: simulator.url,
    CHARGE_RATE_PER_SECOND: "500",
    ...env,
  });
  return startWorker(config, createLog("worker", "silent"));
}
