import { spawn } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childEnded, freePort, waitUntil } from "@holdfast/infra/local/processes.ts";
import { debianProgram } from "./debian-program.ts";

export interface Nginx {
  readonly url: string;
  stop(): Promise<void>;
}

const configFile = new URL("../load-balancer/nginx.conf", import.meta.url);
const startTimeoutMs = 10_000;
const stopTimeoutMs = 5_000;

/**
 * The project's nginx configuration before these API servers, on the loopback interface and without
 * TLS. One client is a whole crowd here, so the limit per address is lifted.
 * @param apiUrls as many as the configuration names
 * @returns null where nginx is not to be had
 */
export async function startNginx(apiUrls: readonly string[]): Promise<Nginx | null> {
  const program = await debianProgram(["/usr/sbin/nginx"], "nginx-light", "the load balancer's tests");
  if (program === null) return null;
  const directory = await mkdtemp(join(tmpdir(), "holdfast-nginx-"));
  await chmod(directory, 0o755); // its workers are nobody
  const [port, plainPort] = [await freePort(), await freePort()];
  let config = await readFile(configFile, "utf8");
  const change = (from: string | RegExp, to: string) => {
    const changed = config.replace(from, to);
    if (changed === config) throw new Error(`nginx.conf has no ${String(from)}`);
    config = changed;
  };
  for (const [i, url] of apiUrls.entries()) change(`api-${i + 1}:3000`, new URL(url).host);
  change("listen 443 ssl http2;", `listen 127.0.0.1:${port};`);
  change("listen 80;", `listen 127.0.0.1:${plainPort};`);
  change(/ +ssl_[^\n]+\n/g, "");
  change("rate=100r/s", "rate=1000000r/s");
  const file = join(directory, "nginx.conf");
  await writeFile(file, config);
  const child = spawn(program, ["-p", directory, "-c", file, "-g", "daemon off;"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const stop = async () => {
    child.kill("SIGTERM");
    await childEnded(child, stopTimeoutMs);
    await rm(directory, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await waitUntil(
      startTimeoutMs,
      "nginx",
      async () => (await fetch(`${url}/healthz`).catch(() => null))?.ok === true,
    );
  } catch (error) {
    await stop();
    throw new Error(`nginx did not start: ${said.join("")}`, { cause: error });
  }
  return { url, stop };
}
