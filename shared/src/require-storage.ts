import { type Database, requirePostgres } from "./database.ts";
import { type RedisClient, requireRedis } from "./redis.ts";

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
    problems.push(`${reason(postgres)} (DATABASE_URL, ${addresses(urls.DATABASE_URL)})`);
  if (redis.status === "rejected") problems.push(`${reason(redis)} (REDIS_URL, ${addresses(urls.REDIS_URL)})`);
  if (problems.length > 0) throw new StorageUnreachable(problems);
}

const reason = ({ reason: error }: PromiseRejectedResult) => (error as Error).message;

const defaultPorts: Readonly<Record<string, string>> = { "postgres:": "5432", "postgresql:": "5432" };

/** Host and port alone: the rest of a URL may be a secret. */
export function addresses(urls: string): string {
  const parts = urls.split(",").map((url) => url.trim());
  return parts
    .map((part) => {
      const { protocol, hostname, port } = new URL(part);
      return `${hostname || "local socket"}:${port || (defaultPorts[protocol] ?? "6379")}`;
    })
    .join(", ");
}
