import { createServer } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";

const usage = `npm start -- [options]        everything on this machine; Ctrl-C stops it
  --fresh        empties the data of the servers started here
  --data FOLDER  where their data and the logs are kept (.holdfast)
  --watch        starts the API and the worker again when their sources change (npm run dev)
  --help         this

PORT and ADMIN_PORT say where the API listens (3000, a free one). DATABASE_URL and REDIS_URL name
servers to use instead of starting some.`;

export interface StartOptions {
  readonly fresh: boolean;
  readonly data: string;
  readonly watch: boolean;
}

/**
 * What `npm start` was asked for; null where that was its usage, which is printed.
 * @throws with one clear line, before anything is started
 */
export function readStartOptions(args: readonly string[], env: NodeJS.ProcessEnv, root: string): StartOptions | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      fresh: { type: "boolean", default: false },
      data: { type: "string", default: join(root, ".holdfast") },
      watch: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return null;
  }
  for (const [name, port] of namedPorts(env)) {
    if (/^\d+$/.test(port) && Number(port) <= 65_535) continue;
    throw new Error(`${name} does not fit: a port, a number from 0 to 65535`);
  }
  return values;
}

function namedPorts(env: NodeJS.ProcessEnv): [string, string][] {
  return ["PORT", "ADMIN_PORT"].flatMap((name) => (env[name] ? [[name, env[name]] as [string, string]] : []));
}

/** Makes sure that one can listen where the environment says. @throws with one clear line */
export async function requireFreePorts(env: NodeJS.ProcessEnv): Promise<void> {
  for (const [name, port] of namedPorts(env)) {
    const failure = await tryPort(Number(port), env.HOST || undefined);
    if (failure === null) continue;
    const why = failure === "EADDRINUSE" ? "is taken by another program" : `cannot be used (${failure})`;
    throw new Error(`${name}: port ${port} ${why}`);
  }
}

/** @returns null where one can listen on it, otherwise the code of the error */
export async function tryPort(port: number, host = "127.0.0.1"): Promise<string | null> {
  const server = createServer();
  const tried = Promise.withResolvers<string | null>();
  server.once("error", (error: NodeJS.ErrnoException) => tried.resolve(error.code ?? error.message));
  server.listen(port, host, () => server.close(() => tried.resolve(null)));
  return tried.promise;
}
