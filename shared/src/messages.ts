import type { RedisClient } from "./redis.ts";
import { redisScript } from "./redis-script.ts";

/**
 * Pub/sub messages that every API server gets. Redis forgets a message nobody was connected for, so
 * each carries a running number: a follower notices a gap, and reads again what it needs. That is
 * what lets ten thousand shoppers wait without anyone polling Redis for each of them.
 */
export interface MessageChannel {
  /** The channel of Redis' publish and subscribe. */
  readonly channel: string;
  /** The key that counts its messages. */
  readonly counter: string;
}

/**
 * A Lua function that publishes a message, for scripts that do more than that: numbered and sent in
 * one step, so that the numbers arrive in their order.
 */
export const publishMessageLua = `
local function publish_message(counter_key, channel, text)
  redis.call("PUBLISH", channel, redis.call("INCR", counter_key) .. " " .. text)
end`;

const publish = redisScript<number>(
  "publishMessage",
  `${publishMessageLua}
publish_message(KEYS[1], ARGV[1], ARGV[2])
return 0`,
);

/** Publishes a message to every follower; resolves when Redis has sent it. */
export async function publishMessage(
  redis: RedisClient,
  { counter, channel }: MessageChannel,
  text: string,
): Promise<void> {
  await publish(redis, [counter], [channel, text]);
}
