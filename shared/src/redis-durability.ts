import { Cluster, type Redis } from "ioredis";
import type { Logger } from "./log.ts";
import type { RedisClient } from "./redis.ts";

/**
 * What a 202 relies on: Redis has the order on disk before it answers (`appendonly`, `appendfsync
 * always`), and never throws a key away to make room (`noeviction`). Checked when a process starts.
 */

/** What one server of Redis says of itself; null where it does not say. */
export interface RedisSettings {
  /** host:port of a Cluster's master, null where there is one server. */
  readonly node: string | null;
  readonly appendonly: string | null;
  readonly appendfsync: string | null;
  readonly maxmemoryPolicy: string | null;
}

const wanted = [
  {
    name: "appendonly",
    read: (settings: RedisSettings) => settings.appendonly,
    value: "yes",
    otherwise: "a restart of Redis loses accepted orders",
  },
  {
    name: "appendfsync",
    read: (settings: RedisSettings) => settings.appendfsync,
    value: "always",
    otherwise: "a crash of its machine loses the orders accepted last",
  },
  {
    name: "maxmemory-policy",
    read: (settings: RedisSettings) => settings.maxmemoryPolicy,
    value: "noeviction",
    otherwise: "Redis throws accepted orders away when its memory runs short",
  },
] as const;

/**
 * One line per setting that is not as it must be, or that nobody could read, with what to do. Empty
 * where all is well.
 */
export function durabilityProblems(servers: readonly RedisSettings[]): string[] {
  return servers.flatMap((settings) =>
    wanted.flatMap(({ name, read, value, otherwise }) => {
      const where = settings.node === null ? "Redis" : `Redis at ${settings.node}`;
      const found = read(settings);
      if (found === value) return [];
      // Where nothing is appended, how often that is brought to disk is beside the point.
      if (name === "appendfsync" && settings.appendonly === "no") return [];
      if (found === null) return [`${where} does not tell its ${name}: make sure that it is ${value}`];
      return [`${where} has ${name} ${found}: set ${name} ${value}, or ${otherwise}`];
    }),
  );
}

/** Redis is not set up to keep what it is given: one line per problem. */
export class RedisNotDurable extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "RedisNotDurable";
    this.problems = problems;
  }
}

/**
 * Looks at the settings of Redis, of a Cluster's every node: any replica may be a master tomorrow.
 * @param required whether to refuse to go on; otherwise one warning names what is wrong
 * @throws RedisNotDurable where it is required and not so
 */
export async function checkRedisDurability(redis: RedisClient, required: boolean, log: Logger): Promise<void> {
  const servers = redis instanceof Cluster ? redis.nodes("all") : [redis];
  const single = servers.length === 1;
  const settings = await Promise.all(
    servers.map(async (server) => ({ ...(await readSettings(server)), node: single ? null : addressOf(server) })),
  );
  const problems = durabilityProblems(settings);
  if (problems.length === 0) return;
  if (required) throw new RedisNotDurable(problems);
  log.warn({ problems }, `Accepted orders can get lost: ${problems.join("; ")}`);
}

/**
 * Warns where a master that is being replaced would go on taking writes: with ACCEPT_REPLICAS they
 * are refused to their shoppers, and a worker that is connected to it decides them all the same.
 */
export async function checkReplicaSettings(redis: RedisClient, log: Logger): Promise<void> {
  const servers = redis instanceof Cluster ? redis.nodes("all") : [redis];
  for (const server of servers) {
    const answer = await server.config("GET", "min-replicas-to-write").catch(refusedIsNull);
    const found = Array.isArray(answer) ? answer[1] : null;
    if (found !== "0") continue;
    log.warn(
      `Redis at ${addressOf(server)} has min-replicas-to-write 0: with ACCEPT_REPLICAS set it to 1 on every server, or a master that is being replaced takes orders that are lost`,
    );
  }
}

function addressOf({ options }: Redis): string {
  return `${options.host ?? "127.0.0.1"}:${options.port ?? 6379}`;
}

/** CONFIG GET says all of it; where a managed Redis does not allow that, INFO says some. */
async function readSettings(redis: Redis): Promise<Omit<RedisSettings, "node">> {
  const config = await readConfig(redis);
  const info = parseInfo(await redis.info().catch(refusedIsNull));
  const appended = { "1": "yes", "0": "no" }[info.get("aof_enabled") ?? ""] ?? null;
  return {
    appendonly: config.get("appendonly") ?? appended,
    appendfsync: config.get("appendfsync") ?? null,
    maxmemoryPolicy: config.get("maxmemory-policy") ?? info.get("maxmemory_policy") ?? null,
  };
}

async function readConfig(redis: Redis): Promise<Map<string, string>> {
  const settings = new Map<string, string>();
  // One by one: a Redis before 7 takes one name only.
  for (const { name } of wanted) {
    const answer = await redis.config("GET", name).catch(refusedIsNull);
    if (Array.isArray(answer) && typeof answer[1] === "string") settings.set(name, answer[1]);
  }
  return settings;
}

/**
 * A command that Redis does not know or does not allow leaves a setting unread; an outage is for
 * the caller.
 */
function refusedIsNull(error: Error): null {
  if (/^(NOPERM|ERR|NOAUTH)/.test(error.message)) return null;
  throw error;
}

function parseInfo(text: string | null): Map<string, string> {
  const lines = (text ?? "").split("\r\n").filter((line) => !line.startsWith("#") && line.includes(":"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
}
