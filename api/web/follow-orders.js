// Follows the shopper's orders: a long poll for each, a few at a time, and none while nobody looks.

import { isOpen } from "./sentences.js";

const mostAtOnce = 3; // a browser has six connections to us without HTTP/2, and buying needs some
const turnMs = 8_000; // where more orders wait than that

/**
 * @param client of @holdfast/client
 * @param onOrder called with each answer, @param onLost with an order's id and why it is gone
 * @param onConnection called with whether the shop can be reached
 */
export function createFollower({ client, onOrder, onLost, onConnection }) {
  /** By id, those of which something is still to come. */
  const waiting = new Map();
  /** Ids in the order of their turns. */
  let line = [];
  /** By id, oldest first: the long poll's signal, and whether its turn has lasted long enough. */
  const open = new Map();
  const unreached = new Set();
  let watched = true;

  function follow(order) {
    if (!isOpen(order)) return forget(order.id);
    const isNew = !waiting.has(order.id);
    waiting.set(order.id, order);
    if (isNew) {
      line.push(order.id);
      if (open.size >= mostAtOnce) endOverdue(1);
    }
    fill();
  }

  function forget(id) {
    waiting.delete(id);
    line = line.filter((other) => other !== id);
    open.get(id)?.abort();
    reached(id);
  }

  function fill() {
    while (watched && open.size < mostAtOnce) {
      const next = line.find((id) => !open.has(id));
      if (next === undefined) return;
      line = line.filter((id) => id !== next);
      wait(next);
    }
  }

  /** Makes room for those in line, by the turns that have lasted longest. */
  function endOverdue(count) {
    const overdue = [...open.values()].filter((turn) => turn.isOverdue && !turn.signal.aborted);
    for (const turn of overdue.slice(0, count)) turn.abort();
  }

  async function wait(id) {
    const turn = Object.assign(new AbortController(), { isOverdue: false });
    open.set(id, turn);
    const timer = setTimeout(() => {
      turn.isOverdue = true;
      endOverdue(line.length);
    }, turnMs);
    try {
      await client.waitFor(whatIsKnown(id), {
        signal: turn.signal,
        until: (order) => !isOpen(order),
        onChange: (order) => seen(id, order),
        onConnection: (state) => (state === "lost" ? missed(id) : reached(id)),
      });
      waiting.delete(id);
    } catch (error) {
      if (!turn.signal.aborted) {
        waiting.delete(id);
        onLost(id, error);
      } else if (waiting.has(id) && !line.includes(id)) line.push(id);
    } finally {
      clearTimeout(timer);
      open.delete(id);
      if (!waiting.has(id)) reached(id);
      fill();
    }
  }

  /**
   * A turn begins with what is known by now. Where the last one ended in an outage, the whole order is
   * asked for: that is answered at once, and shows whether the outage is over.
   */
  const whatIsKnown = (id) => (unreached.has(id) ? id : waiting.get(id));

  function seen(id, order) {
    if (waiting.has(id)) waiting.set(id, order);
    reached(id);
    onOrder(order);
  }

  function missed(id) {
    unreached.add(id);
    if (unreached.size === 1) onConnection(false);
  }

  function reached(id) {
    if (unreached.delete(id) && unreached.size === 0) onConnection(true);
  }

  return {
    follow,
    forget,
    /** Whether somebody looks at the page; what was missed meanwhile is asked for at once. */
    watch(visible) {
      watched = visible;
      if (!visible) for (const turn of open.values()) turn.abort();
      fill();
    },
    /** Asks again at once: the network is back, for all the browser knows. */
    hurry() {
      for (const turn of open.values()) turn.abort();
    },
  };
}
