// Follows the shopper's orders: a long poll for each, a few at a time, and none while nobody looks.

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
  const open = new Map();
  const unreached = new Set();
  let watched = true;

  const wantsMore = (order) => order.status === "queued" || order.status === "reserved";

  function follow(order) {
    if (!wantsMore(order)) return forget(order.id);
    if (!waiting.has(order.id)) line.push(order.id);
    waiting.set(order.id, order);
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

  async function wait(id) {
    const turn = new AbortController();
    open.set(id, turn);
    const timer = setTimeout(() => line.length > 0 && turn.abort(), turnMs);
    try {
      await client.waitFor(waiting.get(id), {
        signal: turn.signal,
        until: (order) => !wantsMore(order),
        onChange(order) {
          if (waiting.has(id)) waiting.set(id, order);
          onOrder(order);
        },
        onConnection: (state) => (state === "lost" ? missed(id) : reached(id)),
      });
      waiting.delete(id);
    } catch (error) {
      if (turn.signal.aborted) {
        if (waiting.has(id) && !line.includes(id)) line.push(id); // the next turn begins with what is known by now
      } else {
        waiting.delete(id);
        onLost(id, error);
      }
    } finally {
      clearTimeout(timer);
      open.delete(id);
      if (!watched || !waiting.has(id)) reached(id);
      fill();
    }
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
