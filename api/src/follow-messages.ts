import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "@holdfast/shared/log.ts";
import type { MessageChannel } from "@holdfast/shared/messages.ts";
import type { RedisClient } from "@holdfast/shared/redis.ts";

export interface MessageFollower {
  onMessage(text: string): void;
  /**
   * Messages were missed, or may have been: what they are about is to be read again. Called again
   * where it rejects.
   */
  onGap(): Promise<void>;
}

const checkEveryMs = 2_000; // how long a lost message may go unnoticed where none comes after it
const graceMs = 500; // a message that is counted already may still be on its way

interface FollowParts {
  /** A connection given over to subscriptions. */
  readonly subscriber: RedisClient;
  readonly redis: RedisClient;
  readonly log: Logger;
}

/**
 * Follows a channel's messages on a connection given over to subscriptions, and asks on the other
 * one every two seconds, with one command however many wait, whether any were missed.
 * @returns a function that ends it
 */
export async function followMessages(
  { subscriber, redis, log }: FollowParts,
  messages: MessageChannel,
  follower: MessageFollower,
): Promise<() => void> {
  const latest = async () => Number((await redis.get(messages.counter)) ?? 0);
  const gap = gapCloser(follower, (error) =>
    log.warn({ err: error, channel: messages.channel }, "what was missed could not be read; it is tried again"),
  );
  let received = 0;
  const receive = (channel: string, message: string) => {
    if (channel !== messages.channel) return;
    const [, number, text] = /^(\d+) (.*)$/s.exec(message) ?? [];
    if (number === undefined || text === undefined) {
      log.warn({ channel }, "a message without a number was published; ignored");
      return;
    }
    const expected = received + 1;
    received = Number(number);
    try {
      follower.onMessage(text);
    } catch (error) {
      // Redis is open to whoever reaches it.
      log.warn({ err: error, channel }, "a message that cannot be read was ignored");
    }
    if (received !== expected) gap.note();
  };
  subscriber.on("message", receive);
  await subscriber.subscribe(messages.channel);
  received = await latest();

  const check = async () => {
    await gap.close();
    const receivedBefore = received;
    const counted = await latest();
    if (counted === received) return;
    await sleep(graceMs, undefined, { ref: false });
    // Some were counted and never came; or fewer were counted than had come, by a Redis that was
    // emptied or is of an older state.
    if (counted <= received && counted >= receivedBefore) return;
    // Where nothing comes at all, the subscription may hang on a server that is the master no more.
    if (counted > received && received === receivedBefore) subscriber.disconnect(true);
    received = counted;
    gap.note();
  };
  let checking = false;
  const timer = setInterval(() => {
    if (checking) return;
    checking = true;
    check()
      .catch((error: unknown) => log.debug({ err: error }, "whether messages were missed cannot be asked now"))
      .finally(() => {
        checking = false;
      });
  }, checkEveryMs);
  return () => {
    clearInterval(timer);
    subscriber.off("message", receive);
  };
}

/** Reads again what a gap left out, once at a time, and again where it failed. */
function gapCloser(follower: MessageFollower, onError: (error: unknown) => void) {
  let open = false;
  let closing = false;
  const close = async () => {
    if (closing) return;
    closing = true;
    try {
      while (open) {
        open = false; // before it is read: what is missed from here on is read once more
        await follower.onGap();
      }
    } catch (error) {
      open = true; // Redis is unavailable: the next check tries again
      onError(error);
    } finally {
      closing = false;
    }
  };
  return {
    close,
    note() {
      open = true;
      void close();
    },
  };
}
