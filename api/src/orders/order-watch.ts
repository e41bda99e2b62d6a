import type { Logger } from "@holdfast/shared/log.ts";
import type { Order } from "@holdfast/shared/order.ts";
import { readOrderMessage, readView } from "@holdfast/shared/order-view.ts";
import { decodeView } from "@holdfast/shared/order-view-text.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import { followMessages } from "../follow-messages.ts";
import { Problem } from "../http/problems.ts";

/** Waits for what becomes of orders, for the requests that were asked to (`Prefer: wait`). */
export interface OrderWatch {
  /**
   * Gets an order, and waits until it is an answer or the time is over. It listens before it gets
   * it, so that no message falls between.
   * @param getOrder reads the order, or places it; what it throws is thrown
   * @param isAnswer asked of the order as it was got, and then of every newer state of it
   *   (`changed`)
   * @returns the newest that is known of the order when the waiting ends
   * @throws Problem 429 before it gets the order, where the shopper waits for as many answers as
   *   one may
   */
  answer(waiter: Waiter, getOrder: () => Promise<Order>, isAnswer: IsAnswer): Promise<Order>;
  /** How many requests wait. */
  size(): number;
  /** Lets everybody go with what is known; nobody waits any more. */
  close(): void;
}

type IsAnswer = (order: Order, changed: boolean) => boolean;

export interface Waiter {
  readonly shopperId: string;
  readonly orderId: string;
  readonly waitMs: number;
  /** Calls back when nobody listens for the answer any more. */
  readonly onGone: (gone: () => void) => void;
}

export interface WatchParts {
  readonly redis: RedisClient;
  /** A connection of its own, given over to subscriptions. */
  readonly subscriber: RedisClient;
  readonly keys: RedisKeys;
  readonly log: Logger;
}

const maxWatches = 50_000; // requests; at under 10 KB each half a gigabyte. Past that nobody waits: the answer is what is known now
const maxWatchesPerShopper = 8; // at this server: two windows, two devices, and as many again that nobody looks at any more
const retryAfterSeconds = 1; // an order's own page may look again at once, without waiting
const rereadChunk = 500; // views read at a time after a gap, so that a crowd of waiters is no flood

interface Watch {
  readonly shopperId: string;
  newest: Order | null;
  /** Looks whether the waiting is over, which it is in any case where `atOnce`. */
  wake: (atOnce: boolean) => void;
}

/**
 * Follows the messages of orders, one per batch, however many wait; after a gap it reads the views
 * again.
 */
export async function openOrderWatch({ redis, subscriber, keys, log }: WatchParts): Promise<OrderWatch> {
  const watches = new Map<string, Set<Watch>>(); // by order id: a shopper may ask in several windows
  const waitingOf = new Map<string, number>(); // by shopper
  let size = 0;
  let closed = false;

  const begin = (orderId: string, watch: Watch) => {
    watches.set(orderId, (watches.get(orderId) ?? new Set()).add(watch));
    waitingOf.set(watch.shopperId, (waitingOf.get(watch.shopperId) ?? 0) + 1);
    size += 1;
  };
  const end = (orderId: string, watch: Watch) => {
    const listening = watches.get(orderId);
    listening?.delete(watch);
    if (listening?.size === 0) watches.delete(orderId);
    const waiting = (waitingOf.get(watch.shopperId) ?? 0) - 1;
    if (waiting > 0) waitingOf.set(watch.shopperId, waiting);
    else waitingOf.delete(watch.shopperId);
    size -= 1;
  };
  const receive = (watch: Watch, order: Order) => {
    if (watch.newest !== null && !isNewer(order, watch.newest)) return;
    watch.newest = order;
    watch.wake(false);
  };
  const reread = async () => {
    const all = [...watches].flatMap(([orderId, listening]) => [...listening].map((watch) => ({ orderId, watch })));
    for (let start = 0; start < all.length; start += rereadChunk) {
      const some = all.slice(start, start + rereadChunk);
      await Promise.all(
        some.map(async ({ orderId, watch }) => {
          const order = await readView({ redis, keys }, watch.shopperId, orderId);
          if (order !== null) receive(watch, order);
        }),
      );
    }
  };
  const stopFollowing = await followMessages({ subscriber, redis, log }, keys.orderMessages, {
    onMessage: (text) =>
      readOrderMessage(text, (orderId, view) => {
        for (const watch of watches.get(orderId) ?? []) {
          const order = decodeView(watch.shopperId, orderId, view);
          if (order !== null) receive(watch, order);
          else watch.wake(true); // of a later release: whoever asks again is answered from Postgres
        }
      }),
    onGap: reread,
  });

  return {
    async answer({ shopperId, orderId, waitMs, onGone }, getOrder, isAnswer) {
      if (waitMs === 0 || closed || size >= maxWatches) return getOrder();
      if ((waitingOf.get(shopperId) ?? 0) >= maxWatchesPerShopper) throw tooManyWaits();
      const watch: Watch = { shopperId, newest: null, wake: () => {} };
      begin(orderId, watch);
      try {
        const known = await getOrder();
        if (closed || isAnswer(known, false)) return known; // it may have closed meanwhile: then no message comes any more
        return (await nextAnswer(watch, known, { waitMs, onGone, isAnswer })) ?? known;
      } finally {
        end(orderId, watch);
      }
    },
    size: () => size,
    close() {
      closed = true;
      stopFollowing();
      for (const listening of watches.values()) {
        for (const watch of listening) watch.wake(true);
      }
    },
  };
}

function tooManyWaits(): Problem {
  const detail = `You wait for ${maxWatchesPerShopper} answers already: ask without Prefer: wait, or when one has come.`;
  return new Problem("rate_limited", detail, { retryAfterSeconds, limitedBy: "waits" });
}

/** Newer by its version; or as new, with the client secret that only the live view has. */
function isNewer(order: Order, known: Order): boolean {
  if (order.version !== known.version) return order.version > known.version;
  return order.clientSecret !== null && known.clientSecret === null;
}

/**
 * The order as soon as it is newer than `known` and an answer, or whatever newer state came when
 * the time is over.
 */
function nextAnswer(
  watch: Watch,
  known: Order,
  { waitMs, onGone, isAnswer }: Pick<Waiter, "waitMs" | "onGone"> & { isAnswer: IsAnswer },
): Promise<Order | null> {
  return new Promise((resolve) => {
    watch.wake = (atOnce) => {
      const newer = watch.newest !== null && isNewer(watch.newest, known) ? watch.newest : null;
      if (!atOnce && (newer === null || !isAnswer(newer, true))) return;
      clearTimeout(timer);
      watch.wake = () => {};
      resolve(newer);
    };
    const timer = setTimeout(() => watch.wake(true), waitMs);
    onGone(() => watch.wake(true));
    watch.wake(false); // a message may have come while it was read
  });
}
