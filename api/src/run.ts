import { createLog } from "@holdfast/shared/log.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { unknownVariables } from "@holdfast/shared/unknown-variables.ts";
import closeWithGrace from "close-with-grace";
import { readApiConfig } from "./config.ts";
import { startServer } from "./server.ts";

/** The API process from its environment to its end. */
export async function run(): Promise<void> {
  try {
    const config = readApiConfig(process.env);
    const log = createLog("api", config.LOG_LEVEL);
    for (const line of unknownVariables(process.env)) log.warn(line);
    const server = await startServer(config, log);
    // Less than the 10 s a platform waits before it kills; a second signal ends the process at
    // once.
    closeWithGrace({ delay: 9_000 }, async ({ signal, err }) => {
      if (err) log.error({ err }, "api ends on an unforeseen error");
      else log.info({ signal }, "api finishes what is in hand");
      await server.close();
    });
    // An unhandled rejection is a graceful end with exit code 1.
    void server.expelled.then((error) => Promise.reject(error));
  } catch (error) {
    reportStartFailure("api", error);
  }
}
