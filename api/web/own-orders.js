// Reads the shopper's own orders, newest first: what is shown after a reload comes from here.

const ordersPerPage = 10;
const firstPauseMs = 1_000; // before what failed is asked for again
const longestPauseMs = 30_000;

/**
 * @param client of @holdfast/client
 * @param onOrder called with each order, @param onRefusal with why they are not shown
 * @param onConnection called with whether the shop can be reached
 * @param onOlder called with the older orders of a press, and whether there are still older ones
 */
export function createOwnOrders({ client, onOrder, onRefusal, onConnection, onOlder }) {
  /** Where the older ones begin; null where there are none, undefined before the first page. */
  let next;
  let [wanted, watched, reading, failures] = [false, true, false, 0];
  let timer = null;

  async function read() {
    wanted = false;
    if (!client.hasSession()) return;
    try {
      const page = await client.orders({ limit: ordersPerPage });
      failures = 0;
      if (next === undefined) next = page.next;
      page.orders.forEach(onOrder);
      onOlder([], Boolean(next));
      onConnection(true);
    } catch (error) {
      if (error.definite !== false) return refuse(error);
      onConnection(false);
      const pauseMs = Math.max(firstPauseMs * 2 ** failures++, (error.retryAfterSeconds ?? 0) * 1_000);
      timer = setTimeout(newest, Math.min(longestPauseMs, pauseMs) * (1 + Math.random() / 4));
    }
  }

  function refuse(error) {
    onConnection(true); // what is refused was answered
    onRefusal(error);
  }

  /** The newest orders, until the shop has answered; in a page that nobody looks at, later. */
  function newest() {
    clearTimeout(timer);
    wanted = true;
    if (!watched || reading) return;
    reading = true;
    read().finally(() => {
      reading = false;
      if (wanted) newest(); // what was placed meanwhile may be missing
    });
  }

  return {
    newest,
    /** Those before the ones shown so far. Not repeated: whoever presses sees what came of it. */
    async older() {
      try {
        const page = await client.orders({ limit: ordersPerPage, after: next });
        next = page.next;
        page.orders.forEach(onOrder);
        onOlder(page.orders, Boolean(next));
      } catch (error) {
        onRefusal(error);
      }
    },
    /** Asks again at once for what could not be had. */
    hurry() {
      if (failures > 0) newest();
    },
    watch(visible) {
      watched = visible;
      if (visible && wanted) newest();
    },
  };
}
