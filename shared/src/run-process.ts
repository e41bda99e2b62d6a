import closeWithGrace from "close-with-grace";
import { createLog, type Logger } from "./log.ts";
import { reportStartFailure } from "./start-failure.ts";
import { unknownVariables } from "./unknown-variables.ts";

/** A process that serves until it is asked to end. */
export interface Serving {
  /** Resolves where it must not go on, with the reason; it still has to be closed. */
  readonly expelled: Promise<Error>;
  /** Finishes what is in hand, and closes its connections. */
  close(): Promise<void>;
}

const closeWithinMs = 9_000; // less than the 10 s a platform waits before it kills

/**
 * A process from its environment to its end: reads the configuration, starts, and closes on a
 * signal or an unforeseen error. A second signal ends it at once. Where it cannot start, it says
 * why in one line per problem.
 */
export async function runProcess<Config extends { readonly LOG_LEVEL: Parameters<typeof createLog>[1] }>(
  name: string,
  readConfig: (env: NodeJS.ProcessEnv) => Config,
  start: (config: Config, log: Logger) => Promise<Serving>,
): Promise<void> {
  try {
    const config = readConfig(process.env);
    const log = createLog(name, config.LOG_LEVEL);
    for (const line of unknownVariables(process.env)) log.warn(line);
    const serving = await start(config, log);
    closeWithGrace({ delay: closeWithinMs }, async ({ signal, err }) => {
      if (err) log.error({ err }, `${name} ends on an unforeseen error`);
      else log.info({ signal }, `${name} finishes what is in hand`);
      await serving.close();
    });
    // Rejected and not handled, it makes close-with-grace close and end with exit code 1.
    void serving.expelled.then((error) => Promise.reject(error));
  } catch (error) {
    reportStartFailure(name, error);
  }
}
