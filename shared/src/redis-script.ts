import type { Cluster, Redis } from "ioredis";

type ScriptArgument = string | number | Buffer;

/**
 * A Lua script as a function. Redis is sent its text once per server, and its hash from then on.
 * @param name of the command on the connection: one for each script
 */
export function redisScript<Result>(
  name: string,
  lua: string,
): (redis: Redis | Cluster, keys: readonly string[], args: readonly ScriptArgument[]) => Promise<Result> {
  return (redis, keys, args) => {
    if (!(name in redis)) redis.defineCommand(name, { lua });
    const commands = redis as unknown as Record<string, (...all: ScriptArgument[]) => Promise<Result>>;
    return (commands[name] as (...all: ScriptArgument[]) => Promise<Result>).call(redis, keys.length, ...keys, ...args);
  };
}
