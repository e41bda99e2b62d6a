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
  const turns = createTurns();
  const reach = createReach(onConnection);
  let watched = true;

  function follow(order) {
    if (!isOpen(order)) return forget(order.id);
    const isNew = !waiting.has(order.id);
    waiting.set(order.id, order);
    if (isNew) {
      line.push(order.id);
      if (turns.count() >= mostAtOnce) turns.endOverdue(1);
    }
    fill();
  }

  function forget(id) {
    waiting.delete(id);
    line = line.filter((other) => other !== id);
    turns.end(id);
    reach.found(id);
  }

  function fill() {
    while (watched && turns.count() < mostAtOnce) {
      const next = line.find((id) => !turns.has(id));
      if (next === undefined) return;
      line = line.filter((id) => id !== next);
      wait(next);
    }
  }

  async function wait(id) {
    const { signal, close } = turns.begin(id, () => turns.endOverdue(line.length));
    try {
      await client.waitFor(whatIsKnown(id), {
        signal,
        until: (order) => !isOpen(order),
        onChange: (order) => seen(id, order),
        onConnection: (state) => (state === "lost" ? reach.missed(id) : reach.found(id)),
      });
      waiting.delete(id);
    } catch (error) {
      if (!signal.aborted) {
        waiting.delete(id);
        onLost(id, error);
      } else if (waiting.has(id) && !line.includes(id)) line.push(id);
    } finally {
      close();
      if (!waiting.has(id)) reach.found(id);
      fill();
    }
  }

  /**
   * A turn begins with what is known by now. Where the last one ended in an outage, the whole order
   * is asked for: that is answered at once, and shows whether the outage is over.
   */
  const whatIsKnown = (id) => (reach.isMissed(id) ? id : waiting.get(id));

  function seen(id, order) {
    if (waiting.has(id)) waiting.set(id, order);
    reach.found(id);
    onOrder(order);
  }

  return {
    follow,
    forget,
    /** Whether somebody looks at the page; what was missed meanwhile is asked for at once. */
    watch(visible) {
      watched = visible;
      if (!visible) turns.endAll();
      fill();
    },
    /** Asks again at once: the network is back, for all the browser knows. */
    hurry: turns.endAll,
  };
}

/** The long polls that are open. */
function createTurns() {
  /** By an order's id, oldest first. */
  const open = new Map();
  return {
    count: () => open.size,
    has: (id) => open.has(id),
    /** @param onOverdue called when the turn has lasted long enough, should others wait */
    begin(id, onOverdue) {
      const turn = Object.assign(new AbortController(), { isOverdue: false });
      open.set(id, turn);
      const timer = setTimeout(() => {
        turn.isOverdue = true;
        onOverdue();
      }, turnMs);
      const close = () => {
        clearTimeout(timer);
        open.delete(id);
      };
      return { signal: turn.signal, close };
    },
    end: (id) => open.get(id)?.abort(),
    endAll() {
      for (const turn of open.values()) turn.abort();
    },
    /** Makes room for so many others, by the turns that have lasted longest. */
    endOverdue(count) {
      const overdue = [...open.values()].filter((turn) => turn.isOverdue && !turn.signal.aborted);
      for (const turn of overdue.slice(0, count)) turn.abort();
    },
  };
}

/** Whether the shop can be reached, by the orders whose requests found it or not. */
function createReach(onConnection) {
  const missing = new Set();
  return {
    isMissed: (id) => missing.has(id),
    missed(id) {
      missing.add(id);
      if (missing.size === 1) onConnection(false);
    },
    found(id) {
      if (missing.delete(id) && missing.size === 0) onConnection(true);
    },
  };
}
