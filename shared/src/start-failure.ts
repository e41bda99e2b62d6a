import { EnvironmentError } from "./environment.ts";
import { withoutCredentials } from "./log.ts";
import { RedisNotDurable } from "./redis-durability.ts";
import { StorageUnreachable } from "./require-storage.ts";

/**
 * Says on stderr, in one line per problem, why a process cannot start, and ends it with exit code
 * 1. Never prints a connection URL or any other value of the environment.
 */
export function reportStartFailure(processName: string, error: unknown): never {
  const lines =
    error instanceof EnvironmentError || error instanceof RedisNotDurable || error instanceof StorageUnreachable
      ? error.problems
      : [reason(error)];
  for (const line of lines) process.stderr.write(`${processName}: ${line}\n`);
  process.exit(1);
}

function reason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0]);
  const text = error instanceof Error ? error.message || error.name : String(error);
  const firstLine = text.split("\n")[0] ?? "";
  return withoutCredentials(firstLine);
}
