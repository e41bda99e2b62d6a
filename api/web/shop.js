// What the page asks of the shop, apart from how it shows it: one session at a time, and a purchase that is paid once however
// often it is sent.

const maxSends = 3; // of one press of Buy; then the shopper decides whether to go on asking
const answerTimeoutMs = 15_000; // an answer that takes longer is lost, for all we know
const longestPauseMs = 10_000; // a shop that asks for more patience than this is shown to the shopper instead
const usualPauseMs = 1_000; // before asking again, where the shop does not say how long
const orderEveryMs = 400; // an order that is followed

/** How an order can end; "lost" is the page's own word for one that the shop does not know any more. */
export const finalStates = ["confirmed", "refunded", "cancelled", "out_of_stock", "rejected", "lost"];

/**
 * @param storage keeps text beyond this page: getItem, setItem, removeItem
 * @param pause waits for so many milliseconds
 */
export function createShop({ fetch, storage, pause }) {
  /** The session that is being asked for: whoever needs one meanwhile waits for the same. */
  let openingSession = null;
  /** Purchases under way, by item id. */
  const buying = new Map();

  /** Asks the API. A refusal is thrown with its `code`; `unclear` where the request may have been done all the same. */
  async function ask(path, options = {}) {
    let response;
    let body;
    try {
      response = await fetch(path, { ...options, signal: AbortSignal.timeout(answerTimeoutMs) });
      body = await response.json();
    } catch {
      // The connection broke, or something on the way answered in the shop's place.
      throw refusal(response?.status ?? 0, null, null);
    }
    if (response.ok) return body;
    throw refusal(response.status, body, response.headers.get("retry-after"));
  }

  /** The shopper's session, from the last visit or a new guest session. */
  async function shopperSession() {
    const kept = JSON.parse(storage.getItem("session") ?? "null");
    if (kept?.shopperId && Date.parse(kept.expiresAt) > Date.now() + 60_000) return kept;
    openingSession ??= ask("/sessions", { method: "POST" })
      .then((session) => {
        storage.setItem("session", JSON.stringify(session));
        return session;
      })
      .finally(() => {
        openingSession = null;
      });
    return openingSession;
  }

  /** Forgets a session that the shop no longer takes, unless it has been replaced meanwhile. */
  function endSession({ token }) {
    if (JSON.parse(storage.getItem("session") ?? "null")?.token === token) storage.removeItem("session");
  }

  const askIn = (session, path, options) =>
    ask(path, { ...options, headers: { ...options.headers, authorization: `Bearer ${session.token}` } });

  /** Asks as the shopper; a session this shop no longer takes is replaced once. */
  async function askAsShopper(path, options = {}) {
    const session = await shopperSession();
    try {
      return await askIn(session, path, options);
    } catch (error) {
      if (error.code !== "unauthenticated") throw error;
      endSession(session);
      return askIn(await shopperSession(), path, options);
    }
  }

  /**
   * Buys one unit. One key stands for the shopper's intention and is kept until the shop has answered it for good; until then every
   * press, here or after a reload, sends the same purchase again, which the shop knows by its key.
   * @returns the order @throws the refusal, or that the shop could not be understood
   */
  function buy(itemId, paymentMethod) {
    const underWay = buying.get(itemId);
    if (underWay) return underWay;
    const purchase = sendUntilAnswered(itemId, openIntention(itemId, paymentMethod)).finally(() =>
      buying.delete(itemId),
    );
    buying.set(itemId, purchase);
    return purchase;
  }

  const nameOf = (itemId) => `intention:${itemId}`;

  /** What the shopper wants and has no answer to yet; the card chosen first counts, since a key belongs to one request. */
  function openIntention(itemId, paymentMethod) {
    const kept = JSON.parse(storage.getItem(nameOf(itemId)) ?? "null");
    return kept ?? { key: newKey(), body: JSON.stringify({ quantity: 1, paymentMethod }), shopperId: null };
  }

  async function sendUntilAnswered(itemId, intention) {
    // Whose order it may have become already: a key means something together with its shopper alone.
    let { shopperId } = intention;
    for (let sends = 1; ; sends++) {
      const session = await shopperSession();
      if (shopperId !== null && shopperId !== session.shopperId) throw giveUp(itemId);
      storage.setItem(nameOf(itemId), JSON.stringify({ ...intention, shopperId: session.shopperId }));
      try {
        const order = await sendPurchase(session, itemId, intention);
        storage.removeItem(nameOf(itemId));
        return order;
      } catch (error) {
        if (error.code === "unauthenticated") {
          endSession(session);
          if (shopperId !== null) throw giveUp(itemId);
          // Nothing was ever sent that counts, so the same key is as good in another session.
          storage.setItem(nameOf(itemId), JSON.stringify(intention));
          if (sends < maxSends) continue;
        }
        if (!error.unclear) {
          storage.removeItem(nameOf(itemId));
          throw error;
        }
        shopperId = session.shopperId;
        if (sends === maxSends || error.pauseMs > longestPauseMs) throw stillOpen(error);
        await pause(error.pauseMs);
      }
    }
  }

  const sendPurchase = (session, itemId, { key, body }) =>
    askIn(session, `/purchase/${encodeURIComponent(itemId)}`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body,
    });

  /**
   * Pays an order with another card, instead of a declined one or of the bank's question. The key of
   * the try is kept until the shop has answered it for good: the same card pressed again is the same
   * try. A different card is another intention; whether it is still expected, the shop says.
   */
  async function payWithAnotherCard(orderId, paymentMethod) {
    const name = `card:${orderId}`;
    const kept = JSON.parse(storage.getItem(name) ?? "null");
    const { key } = kept?.paymentMethod === paymentMethod ? kept : { key: newKey() };
    storage.setItem(name, JSON.stringify({ key, paymentMethod }));
    try {
      const order = await askAsShopper(`/orders/${encodeURIComponent(orderId)}/payment`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": key },
        body: JSON.stringify({ paymentMethod }),
      });
      storage.removeItem(name);
      return order;
    } catch (error) {
      if (!error.unclear) storage.removeItem(name);
      throw error;
    }
  }

  /**
   * Polls an order until it is settled, or lost in a fault: then there is nothing more to wait for.
   * @param show called with each state of the order
   */
  async function follow(order, show) {
    let seen = order;
    while (!finalStates.includes(seen.status)) {
      await pause(orderEveryMs);
      try {
        seen = await askAsShopper(`/orders/${encodeURIComponent(order.id)}`);
      } catch (error) {
        if (error.code !== "order_not_found") continue; // the order is safe; the next poll asks again
        seen = { ...seen, status: "lost", position: null, message: error.detail };
      }
      show(seen);
    }
  }

  function giveUp(itemId) {
    storage.removeItem(nameOf(itemId));
    return new Error(
      "Your session ended before the shop had answered: that purchase may have gone through. Press Buy for another.",
    );
  }

  return {
    ask,
    askAsShopper,
    buy,
    payWithAnotherCard,
    follow,
    isBuying: (itemId) => buying.has(itemId),
    /** Whether a purchase waits for its answer, so that Buy asks again whatever the item's state is by now. */
    isUnanswered: (itemId) => storage.getItem(nameOf(itemId)) !== null,
    hasSession: () => storage.getItem("session") !== null,
  };
}

/** A refusal is definite where the shop itself says what is wrong with the request, and unclear wherever it may be in line. */
function refusal(status, problem, retryAfter) {
  const passing = [408, 425, 429].includes(status);
  return Object.assign(new Error(problem?.title ?? "The shop does not answer"), {
    code: problem?.code ?? null,
    detail: problem?.detail ?? null,
    unclear: passing || status < 400 || status >= 500 || !problem?.code,
    pauseMs: retryAfter === null ? usualPauseMs : Number(retryAfter) * 1_000 || usualPauseMs,
  });
}

function stillOpen(error) {
  const text = `${error.message}. Ask again: it is the same purchase, and paid once.`;
  return Object.assign(error, { message: text });
}

/** Random enough to be nobody else's. By hand, since crypto.randomUUID is missing on pages without TLS. */
function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The browser's storage; where it is full or forbidden, at least as long as the page is open. */
export function lastingStorage(browserStorage) {
  const memory = new Map();
  return {
    getItem(name) {
      try {
        return browserStorage().getItem(name) ?? memory.get(name) ?? null;
      } catch {
        return memory.get(name) ?? null;
      }
    },
    setItem(name, text) {
      memory.delete(name);
      try {
        browserStorage().setItem(name, text);
      } catch {
        memory.set(name, text);
      }
    },
    removeItem(name) {
      memory.delete(name);
      try {
        browserStorage().removeItem(name);
      } catch {
        // it is not there then
      }
    },
  };
}
