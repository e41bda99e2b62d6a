import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "./log.ts";
import type { RedisClient } from "./redis.ts";

/**
 * News that every API server hears. Redis forgets a message nobody was connected for, so each
 * carries a running number: whoever follows the news notices a gap, and then reads again what it
 * needs. That is what lets ten thousand shoppers wait without anyone polling Redis for each of
 * them.
 */
export interface NewsChannel {
  /** The channel of Redis' publish and subscribe. */
  readonly channel: string;
  /** The key that counts its messages. */
  readonly counter: string;
}

/**
 * A Lua function that publishes a message, for scripts that do more than that: numbered and sent in
 * one step, so that the numbers arrive in their order.
 */
export const publishNewsLua = `
local function publish_news(counter_key, channel, text)
  redis.call("PUBLISH", channel, redis.call("INCR", counter_key) .. " " .. text)
end`;

const publishScript = `${publishNewsLua}
publish_news(KEYS[1], ARGV[1], ARGV[2])
return 0`;

interface NewsCommands {
  publishNews(counter: string, channel: string, text: string): Promise<number>;
}

function withCommands(redis: RedisClient): RedisClient & NewsCommands {
  if (!("publishNews" in redis)) redis.defineCommand("publishNews", { lua: publishScript, numberOfKeys: 1 });
  return redis as RedisClient & NewsCommands;
}

/** Tells every follower; resolves when Redis has sent it. */
export async function publishNews(redis: RedisClient, news: NewsChannel, text: string): Promise<void> {
  await withCommands(redis).publishNews(news.counter, news.channel, text);
}

export interface NewsFollower {
  onNews(text: string): void;
  /**
   * Something was missed, or may have been: what the news are about is to be read again. Called
   * again where it rejects.
   */
  onMissed(): Promise<void>;
}

const checkEveryMs = 2_000; // how long a lost message may go unnoticed where none comes after it
const graceMs = 500; // a message that is counted already may still be on its way

/**
 * Follows the news on a connection given over to subscriptions, and asks on the other one every two
 * seconds, with one command however many wait, whether any were missed.
 * @returns a function that ends it
 */
export async function followNews(
  { subscriber, redis, log }: { readonly subscriber: RedisClient; readonly redis: RedisClient; readonly log: Logger },
  news: NewsChannel,
  follower: NewsFollower,
): Promise<() => void> {
  const latest = async () => Number((await redis.get(news.counter)) ?? 0);
  let seen = 0;
  let missed = false;
  let catchingUp = false;
  const catchUp = async () => {
    if (catchingUp) return;
    catchingUp = true;
    try {
      while (missed) {
        missed = false; // before it is read: what is missed from here on is read once more
        await follower.onMissed();
      }
    } catch (error) {
      missed = true; // Redis is away, it seems: the next look tries again
      log.warn({ err: error, channel: news.channel }, "what was missed could not be read; it is tried again");
    } finally {
      catchingUp = false;
    }
  };
  const noteMissed = () => {
    missed = true;
    void catchUp();
  };
  const onMessage = (channel: string, message: string) => {
    if (channel !== news.channel) return;
    const [, number, text] = /^(\d+) (.*)$/s.exec(message) ?? [];
    if (number === undefined || text === undefined) {
      log.warn({ channel }, "something that is no news was published; ignored");
      return;
    }
    const expected = seen + 1;
    seen = Number(number);
    try {
      follower.onNews(text);
    } catch (error) {
      log.warn({ err: error, channel }, "news that cannot be read; ignored"); // Redis is open to whoever reaches it
    }
    if (seen !== expected) noteMissed();
  };
  subscriber.on("message", onMessage);
  await subscriber.subscribe(news.channel);
  seen = await latest();

  const check = async () => {
    if (missed) await catchUp();
    const seenBefore = seen;
    const counted = await latest();
    if (counted === seen) return;
    await sleep(graceMs, undefined, { ref: false });
    // Some were counted and never came; or fewer were counted than had come, by a Redis that was
    // emptied or is of an older state.
    if (counted <= seen && counted >= seenBefore) return;
    // Where nothing comes at all, the subscription may hang on a server that is the master no more.
    if (counted > seen && seen === seenBefore) subscriber.disconnect(true);
    seen = counted;
    noteMissed();
  };
  let checking = false;
  const timer = setInterval(() => {
    if (checking) return;
    checking = true;
    check()
      .catch((error: unknown) => log.debug({ err: error }, "whether news were missed cannot be asked now"))
      .finally(() => {
        checking = false;
      });
  }, checkEveryMs);
  return () => {
    clearInterval(timer);
    subscriber.off("message", onMessage);
  };
}
