import { runProcess } from "@holdfast/shared/run-process.ts";
import { readApiConfig } from "./config.ts";
import { startServer } from "./server.ts";

/** The API process. */
export const run = () => runProcess("api", readApiConfig, startServer);
