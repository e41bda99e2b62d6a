import { spawn } from "node:child_process";
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { childEnded, freePort, waitUntil } from "@holdfast/infra/local/processes.ts";
import type { Tls } from "@holdfast/infra/proof/faults/shop-client.ts";
import { Agent, request } from "undici";
import { debianProgram } from "./debian-program.ts";

export interface LoadBalancer {
  /** By TLS. */
  readonly url: string;
  stop(): Promise<void>;
}

const folder = new URL("../load-balancer/", import.meta.url);
const certificates = new URL("../../worker/test/certificates/", import.meta.url);
const startTimeoutMs = 10_000;
const stopTimeoutMs = 5_000;

interface Kind {
  readonly file: string;
  readonly program: readonly string[];
  readonly package: string;
  readonly args: (file: string, directory: string) => string[];
  /** What is another on this machine: from what, to what. */
  readonly changes: (here: Here) => readonly (readonly [string, string])[];
  /** What lifts the limit per address: one client is a whole crowd here. */
  readonly unlimited: readonly [string, string];
  /** What has a proxy before it, on this machine, say whose request it is. */
  readonly behindProxy: readonly [string, string];
}

interface Here {
  readonly directory: string;
  readonly port: number;
  readonly plainPort: number;
}

const kinds: Readonly<Record<"nginx" | "haproxy", Kind>> = {
  nginx: {
    file: "nginx.conf",
    program: ["/usr/sbin/nginx"],
    package: "nginx-light",
    args: (file, directory) => ["-p", directory, "-c", file, "-g", "daemon off;"],
    changes: ({ directory, port, plainPort }) => [
      ["listen 443 ssl http2;", `listen 127.0.0.1:${port} ssl http2;`],
      ["listen 80;", `listen 127.0.0.1:${plainPort};`],
      ["/etc/nginx/tls/tls.crt", `${directory}/localhost.cert`],
      ["/etc/nginx/tls/tls.key", `${directory}/localhost.key`],
    ],
    unlimited: ["rate=100r/s", "rate=1000000r/s"],
    behindProxy: ["# set_real_ip_from 10.0.0.0/8;", "set_real_ip_from 127.0.0.1;"],
  },
  haproxy: {
    file: "haproxy.cfg",
    program: ["/usr/sbin/haproxy"],
    package: "haproxy",
    args: (file) => ["-db", "-f", file],
    changes: ({ directory, port, plainPort }) => [
      ["bind :443 ssl crt /etc/haproxy/tls.pem", `bind 127.0.0.1:${port} ssl crt ${directory}/tls.pem`],
      ["bind :80", `bind 127.0.0.1:${plainPort}`],
      ["/etc/haproxy/errors/", `${directory}/errors/`],
      ["maxconn 32768", "maxconn 4096"], // a machine lets a program have so many files
    ],
    unlimited: ["gt 400", "gt 1000000"],
    behindProxy: [
      "# http-request set-src req.hdr(X-Forwarded-For,-1) if { src 10.0.0.0/8 }",
      "http-request set-src req.hdr(X-Forwarded-For,-1) if { src 127.0.0.1 }",
    ],
  },
};

/** To connect to one: its certificate is trusted. */
export async function balancerTls(): Promise<Tls> {
  return { ca: await readFile(new URL("localhost.cert", certificates)), servername: "localhost" };
}

/** What trusts the balancers' certificate. */
export async function trustingAgent(connections: number): Promise<Agent> {
  return new Agent({ connections, pipelining: 1, connect: await balancerTls() });
}

/**
 * The project's configuration of nginx or HAProxy before three API servers, on the loopback
 * interface.
 * @returns null where the program is not to be had
 */
export async function startLoadBalancer(
  name: "nginx" | "haproxy",
  apiUrls: readonly string[],
  { limited = false, behindProxy = false } = {},
): Promise<LoadBalancer | null> {
  const kind = kinds[name];
  const program = await debianProgram(kind.program, kind.package, "the load balancers' tests");
  if (program === null) return null;
  const directory = await mkdtemp(join(tmpdir(), `holdfast-${name}-`));
  await chmod(directory, 0o755); // its workers are nobody
  const [port, plainPort] = [await freePort(), await freePort()];
  await cp(fileURLToPath(new URL("errors", folder)), join(directory, "errors"), { recursive: true });
  const pem: string[] = [];
  for (const file of ["localhost.cert", "localhost.key"]) {
    const text = await readFile(new URL(file, certificates), "utf8");
    pem.push(text);
    await writeFile(join(directory, file), text);
  }
  await writeFile(join(directory, "tls.pem"), pem.join("\n"));
  let config = await readFile(new URL(kind.file, folder), "utf8");
  const servers = apiUrls.map((url, i) => [`api-${i + 1}:3000`, new URL(url).host] as const);
  const changes = [
    ...kind.changes({ directory, port, plainPort }),
    ...servers,
    ...(limited ? [] : [kind.unlimited]),
    ...(behindProxy ? [kind.behindProxy] : []),
  ];
  for (const [from, to] of changes) {
    if (!config.includes(from)) throw new Error(`${kind.file} has no ${from}`);
    config = config.replaceAll(from, to);
  }
  const file = join(directory, kind.file);
  await writeFile(file, config);
  const child = spawn(program, kind.args(file, directory), { stdio: ["ignore", "ignore", "pipe"] });
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const agent = await trustingAgent(1);
  const stop = async () => {
    child.kill("SIGTERM");
    await childEnded(child, stopTimeoutMs);
    await rm(directory, { recursive: true, force: true });
  };
  const url = `https://127.0.0.1:${port}`;
  try {
    await waitUntil(startTimeoutMs, name, async () => {
      const answer = await request(`${url}/healthz`, { dispatcher: agent }).catch(() => null);
      await answer?.body.dump();
      return answer?.statusCode === 200;
    });
  } catch (error) {
    await stop();
    throw new Error(`${name} did not start: ${said.join("")}`, { cause: error });
  } finally {
    await agent.destroy();
  }
  return { url, stop };
}
