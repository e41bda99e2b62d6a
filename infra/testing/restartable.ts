import { join } from "node:path";
import type { LocalServer } from "@holdfast/infra/local/local-server.ts";
import { startPostgres } from "@holdfast/infra/local/postgres.ts";
import { childEnded } from "@holdfast/infra/local/processes.ts";
import { startRedis } from "@holdfast/infra/local/redis.ts";

/**
 * A server of one's own that is killed without warning and comes back on the same port with the
 * same data.
 */
export interface RestartableServer {
  readonly url: string;
  /** SIGKILL: it gets to write nothing more. */
  kill(): Promise<void>;
  /** Brings it back, without its data where `fresh`; resolves when it answers. */
  revive(fresh?: boolean): Promise<void>;
  stop(): Promise<void>;
}

export function restartableRedis(directory: string): Promise<RestartableServer> {
  const ignoreNotice = () => {};
  return restartable((port, fresh) => startRedis(join(directory, "redis"), ignoreNotice, { fresh, port }));
}

export function restartablePostgres(directory: string): Promise<RestartableServer> {
  // The crash of a process loses nothing that was written, so the tests do without fsync.
  return restartable((port, fresh) =>
    startPostgres(join(directory, "postgres"), { settings: ["fsync=off"], createDatabases: true, fresh, port }),
  );
}

async function restartable(
  start: (port: number | undefined, fresh: boolean) => Promise<LocalServer>,
): Promise<RestartableServer> {
  let server = await start(undefined, false);
  const { url } = server;
  const port = Number(new URL(url).port);
  return {
    url,
    async kill() {
      server.process?.kill("SIGKILL");
      if (server.process) await childEnded(server.process, 5_000);
    },
    async revive(fresh = false) {
      server = await untilStarted(() => start(port, fresh));
    },
    stop: () => server.stop(),
  };
}

const startsTried = 20;

/**
 * A killed Postgres leaves children that hold its memory for a moment longer; until they are gone
 * it does not start.
 */
async function untilStarted(start: () => Promise<LocalServer>): Promise<LocalServer> {
  for (let tried = 1; ; tried++) {
    try {
      return await start();
    } catch (error) {
      if (tried === startsTried) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  }
}
