import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { childEnded } from "./processes.ts";

/** One of Holdfast's processes, running by itself as it would on a server. */
export interface Part {
  readonly name: string;
  readonly process: ChildProcess;
  /** Where it listens, for those that do. */
  readonly url: string | null;
  /** Where its metrics are, for those that serve them. */
  readonly adminUrl?: string | null;
  /** SIGTERM, and SIGKILL where that takes more than 12 s. */
  stop(): Promise<void>;
}

const ownRoot = fileURLToPath(new URL("../../", import.meta.url));
const stopWithinMs = 12_000;
const startTimeoutMs = 30_000; // Node and its modules load in one to two seconds on a busy machine

// As in the start scripts of api and worker. A new order lives for milliseconds: in a small nursery
// its memory is used again at once, while V8's own choice lets a process grow by a hundred
// megabytes in a rush for the same speed.
const nodeOptions = ["--max-semi-space-size=32"];

const programs = {
  simulator: { file: "infra/stripe-simulator/main.ts", started: /listening on (?<url>http:\S+)/ },
  api: {
    file: "api/src/main.ts",
    started:
      /"adminAddress":(?:null|"(?<adminUrl>http:[^"]+)"),"address":"(?<url>http:[^"]+)","msg":"api is listening"/,
  },
  worker: {
    file: "worker/src/main.ts",
    started: /"adminAddress":(?:null|"(?<adminUrl>http:[^"]+)"),.*"msg":"worker is serving"/,
  },
  bare: { file: "infra/proof/bench/bare-server.ts", started: /listening on (?<url>http:\S+)/ },
  migrations: { file: "migrations/src/main.ts", started: null },
} as const;

/**
 * Starts one process, configured by environment alone, and waits until it says that it is serving.
 * What it prints goes to `<logDirectory>/<name>.log`, made anew. With `watch` it starts again by
 * itself when a source file changes.
 * @param root of another release than this one
 * @throws with its last words where it ends instead
 */
export async function startPart(
  program: Exclude<keyof typeof programs, "migrations">,
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  logDirectory: string,
  { watch = false, root = ownRoot }: { watch?: boolean; root?: string } = {},
): Promise<Part> {
  const { file, started } = programs[program];
  const { child, lines, lastWords } = await launch(join(root, file), name, env, logDirectory, watch);
  const serving = Promise.withResolvers<{ url?: string; adminUrl?: string }>();
  lines.on("line", (line: string) => {
    const match = started.exec(line);
    if (match) serving.resolve({ ...match.groups });
  });
  child.once("exit", () => serving.reject(new Error(`${name} ended at start: ${lastWords()}`)));
  const timer = setTimeout(
    () => serving.reject(new Error(`${name} did not start in time${lastWords() && `: ${lastWords()}`}`)),
    startTimeoutMs,
  );
  try {
    const { url = null, adminUrl = null } = await serving.promise;
    return {
      name,
      process: child,
      url,
      adminUrl,
      async stop() {
        child.kill("SIGTERM");
        await childEnded(child, stopWithinMs);
        // A watcher passes the signal on, and ends without waiting for its program.
        if (watch && !child.stdout?.closed) await groupEnded(child);
      },
    };
  } catch (error) {
    killGroup(child);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Ends a part at once, with what it has started itself: under `--watch` the program is a child of
 * its watcher.
 */
export function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // it has ended by itself
  }
}

/** Until nobody has the output open any more: then the last of the group has ended. */
async function groupEnded(child: ChildProcess): Promise<void> {
  const signal = AbortSignal.timeout(stopWithinMs);
  await once(child, "close", { signal }).catch(() => killGroup(child));
}

/** Brings the database to the newest schema, in a process of its own. */
export async function runMigrations(
  env: Readonly<Record<string, string | undefined>>,
  logDirectory: string,
  root = ownRoot,
): Promise<void> {
  const { child, lastWords } = await launch(join(root, programs.migrations.file), "migrations", env, logDirectory);
  await childEnded(child, 60_000);
  if (child.exitCode !== 0) throw new Error(`The migrations failed: ${lastWords()}`);
}

async function launch(
  file: string,
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  logDirectory: string,
  watch = false,
) {
  await mkdir(logDirectory, { recursive: true });
  const log = createWriteStream(join(logDirectory, `${name}.log`));
  // Its own process group: Ctrl-C in a terminal reaches the launcher alone, which stops the parts
  // in their order.
  const child = spawn(process.execPath, [...(watch ? ["--watch"] : []), ...nodeOptions, file], {
    env: { ...process.env, ...env, LOG_LEVEL: atLeastInfo(env.LOG_LEVEL ?? process.env.LOG_LEVEL) },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let recent = "";
  for (const stream of [child.stdout, child.stderr]) stream.pipe(log, { end: false });
  // A process that cannot start says why on stderr; its log is on stdout.
  child.stderr.on("data", (chunk: Buffer) => {
    recent = (recent + chunk.toString()).slice(-2_000);
  });
  child.once("close", () => log.end());
  return { child, lines: createInterface({ input: child.stdout }), lastWords: () => recent.trim() };
}

/**
 * A part says on level info that it is serving, and we wait for that; the log goes to a file
 * anyway.
 */
function atLeastInfo(level: string | undefined): string {
  return level === "debug" || level === "trace" ? level : "info";
}
