import { type Database, requirePostgres } from "./database.ts";
import { type RedisClient, requireRedis } from "./redis.ts";
import { parseRedisAddress } from "./redis-address.ts";

/** What a process needs does not answer: one line per server. */
export class StorageUnreachable extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "StorageUnreachable";
    this.problems = problems;
  }
}

/**
 * Makes sure at start that Postgres and Redis answer, within five seconds.
 * @throws StorageUnreachable naming all that do not, each with its variable, host and port
 */
export async function requireStorage(
  urls: { readonly DATABASE_URL: string; readonly REDIS_URL: string },
  db: Database,
  clients: readonly RedisClient[],
): Promise<void> {
  const [postgres, redis] = await Promise.allSettled([requirePostgres(db), Promise.all(clients.map(requireRedis))]);
  const problems: string[] = [];
  if (postgres.status === "rejected")
    problems.push(`${reason(postgres)} (${described("DATABASE_URL", urls.DATABASE_URL)})`);
  if (redis.status === "rejected") problems.push(`${reason(redis)} (${described("REDIS_URL", urls.REDIS_URL)})`);
  if (problems.length > 0) throw new StorageUnreachable(problems);
}

const reason = ({ reason: error }: PromiseRejectedResult) => (error as Error).message;

const described = (name: "DATABASE_URL" | "REDIS_URL", value: string) =>
  [name, ...(addressesOf(name, value) ?? [])].join(", ");

/**
 * Host and port of a URL, of a REDIS_URL all that it names (nodes of a Cluster, sentinels): the
 * rest may be a secret. Null where that is not all that says where the server is, as with a Unix
 * socket.
 */
export function addressesOf(name: "DATABASE_URL" | "REDIS_URL", value: string): readonly string[] | null {
  if (name === "REDIS_URL") return parseRedisAddress(value).addresses;
  if (!URL.canParse(value)) return null;
  const { hostname, port, searchParams } = new URL(value);
  if (!/^[\w.:[\]-]+$/.test(hostname) || searchParams.has("host") || searchParams.has("port")) return null;
  return [`${hostname}:${port || "5432"}`];
}
