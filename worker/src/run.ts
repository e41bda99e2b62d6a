import { createLog } from "@holdfast/shared/log.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { unknownVariables } from "@holdfast/shared/unknown-variables.ts";
import closeWithGrace from "close-with-grace";
import { readWorkerConfig } from "./config.ts";
import { startWorker } from "./worker.ts";

/** The worker process from its environment to its end. */
export async function run(): Promise<void> {
  try {
    const config = readWorkerConfig(process.env);
    const log = createLog("worker", config.LOG_LEVEL);
    for (const line of unknownVariables(process.env)) log.warn(line);
    const worker = await startWorker(config, log);
    // Less than the 10 s a platform waits before it kills; a second signal ends the process at
    // once.
    closeWithGrace({ delay: 9_000 }, async ({ signal, err }) => {
      if (err) log.error({ err }, "worker ends on an unforeseen error");
      else log.info({ signal }, "worker finishes what is in hand");
      await worker.close();
    });
    // An unhandled rejection is a graceful end with exit code 1.
    void worker.expelled.then((error) => Promise.reject(error));
  } catch (error) {
    reportStartFailure("worker", error);
  }
}
