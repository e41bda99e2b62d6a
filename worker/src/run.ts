import { runProcess } from "@holdfast/shared/run-process.ts";
import { readWorkerConfig } from "./config.ts";
import { startWorker } from "./worker.ts";

/** The worker process. */
export const run = () => runProcess("worker", readWorkerConfig, startWorker);
