// What each function promises is written in client.d.ts. The rule behind it all: the key of a
// purchase is kept from before the first send until the shop has answered for good.

import {
  createAsk,
  createSessions,
  HoldfastError,
  isPassing,
  persist,
  sessionEnded,
  sleep,
  spread,
  usualPauseMs,
  waitSeconds,
} from "./ask.js";
import { createKeep, newKey } from "./keep.js";

export { HoldfastError };

const longestBackoffMs = 30_000;
// The shop counts requests by the minute.
const longestRetryAfterMs = 60_000;
// Orders whose shopper is remembered.
const mostOwners = 1_000;

/** @type {typeof import("./client.js").isFinal} */
export const isFinal = ({ status }) => status !== "queued" && status !== "reserved";

/** @type {typeof import("./client.js").createClient} */
export function createClient(options = {}) {
  const { baseUrl = "", fetch = globalThis.fetch, pause = sleep, now = Date.now, token } = options;
  const ask = createAsk(baseUrl, fetch);
  const keep = createKeep(options, pause, now);
  const sessions = createSessions(ask, keep, token);
  const { session, hasSession, signIn } = sessions;
  const { noteOrder, ownerOf, ...orders } = createOrders(keep, sessions, pause, now);
  let shown = { etag: null, items: [] };
  return {
    async items() {
      const { body, etag } = await ask("/items", { headers: shown.etag ? { "if-none-match": shown.etag } : {} });
      if (body) shown = { etag, items: body };
      return shown.items;
    },
    ...createBuying({ keep, sessions, pause, now, noteOrder, ownerOf }),
    ...orders,
    session,
    hasSession,
    signIn,
    get keeps() {
      return keep.lasts();
    },
  };
}

const pathOf = (orderId) => `/orders/${encodeURIComponent(orderId)}`;

/** The card chosen first counts: a key belongs to one request. */
async function addCard(body, { paymentMethod, confirmationToken }) {
  if (body.paymentMethod || body.confirmationToken) return;
  const token = typeof confirmationToken === "function" ? await confirmationToken() : confirmationToken;
  Object.assign(body, paymentMethod ? { paymentMethod } : { confirmationToken: token });
}

/**
 * @typedef {import("./client.js").Client} Client
 * @returns {Pick<Client, "buy" | "payWithAnotherCard" | "forgetPurchase" | "isBuying" | "answeredAt"
 *   | "unansweredSince">}
 */
function createBuying({ keep, sessions, pause, now, noteOrder, ownerOf }) {
  /** Sends an intention, kept under a name, until the shop has answered it for good. */
  async function sendUntilAnswered(name, path, intention, card, note) {
    // Whose order it may have become: a key means something together with its shopper alone.
    let sentAs = intention.shopperId;
    const keepAs = (shopperId) => keep.write(name, { ...intention, shopperId });

    async function send(isRenewed = false) {
      if (sessions.whose() !== intention.whose) throw sessionEnded();
      const as = await sessions.as(sentAs);
      await addCard(intention.body, card);
      keepAs(as.shopperId);
      const headers = { "content-type": "application/json", "idempotency-key": intention.key };
      const request = { method: "POST", headers, body: JSON.stringify(intention.body) };
      try {
        const answer = await sessions.askAs(as, path, request);
        // Whoever answered, it was not the shop.
        if (!answer.body.id) throw new HoldfastError(0, null);
        noteOrder(answer, as);
        note?.({ ...intention, shopperId: as.shopperId });
        keep.forget(name);
        return answer.body;
      } catch (error) {
        if (error.code !== "unauthenticated") sentAs = error.definite ? null : as.shopperId;
        else {
          // This one was not taken: its key is as good in another session.
          keepAs(sentAs);
          if (sessions.end(as) && !isRenewed) return send(true);
        }
        throw error;
      }
    }

    keepAs(sentAs);
    try {
      return await persist(pause, () => send());
    } catch (error) {
      if (isPassing(error)) error.message += ". Ask again: it is the same purchase, and paid once.";
      // What may be in line keeps its key, whoever has to sign in again first.
      else if (sentAs === null) keep.forget(name);
      throw error;
    }
  }

  const intentionOf = (itemId) => `intention:${itemId}${sessions.whose()}`;
  const answerOf = (itemId) => `answer:${itemId}${sessions.whose()}`;

  return {
    buy(itemId, { quantity = 1, metadata, key: own, ...card }) {
      const about = own ? `${itemId} ${own}` : itemId;
      const [name, answerName, whose] = [intentionOf(about), answerOf(about), sessions.whose()];
      const answered = () => keep.read(answerName) ?? { count: 0 };
      const before = answered().count;
      return keep.once(name, () =>
        keep.exclusive(`intention:${about}`, () => {
          const { count, last } = answered();
          // The same in every tab until there is an answer, however late a tab hears of another's.
          const key = own ?? `${keep.seed()}-${encodeURIComponent(itemId)}-${count}`;
          const fresh = { key, count, body: { quantity, metadata }, shopperId: null, whose, at: now() };
          // What another tab was answered after this press is the answer to this press, too.
          const intention = keep.read(name) || (count > before && last) || fresh;
          return sendUntilAnswered(name, `/purchase/${encodeURIComponent(itemId)}`, intention, card, (last) =>
            keep.write(answerName, { at: now(), count: last.count + 1, last }),
          );
        }),
      );
    },

    payWithAnotherCard(orderId, card) {
      const name = `card:${orderId}`;
      return keep.once(name, async () => {
        const { body, ...kept } = keep.read(name) ?? {};
        const same = body && ["paymentMethod", "confirmationToken"].every((kind) => body[kind] === card[kind]);
        const shopperId = ownerOf(orderId) ?? (await sessions.session()).shopperId;
        const fresh = { key: newKey(), body: {}, whose: sessions.whose() };
        const intention = { ...(same ? { ...kept, body } : fresh), shopperId };
        return sendUntilAnswered(name, `${pathOf(orderId)}/payment`, intention, card);
      });
    },

    forgetPurchase(itemId) {
      const kept = keep.read(intentionOf(itemId));
      if (!kept) return;
      // What is bought next is another purchase, under another key.
      keep.write(answerOf(itemId), { at: keep.read(answerOf(itemId))?.at, count: kept.count + 1 });
      keep.forget(intentionOf(itemId));
    },

    isBuying: (itemId) => keep.isUnderWay(intentionOf(itemId)),
    answeredAt: (itemId) => keep.read(answerOf(itemId))?.at ?? null,
    unansweredSince: (itemId) => keep.read(intentionOf(itemId))?.at ?? null,
  };
}

/** Orders are asked for as the shopper whose they are, never as whoever came afterwards. */
function createOrders(keep, sessions, pause, now) {
  const etags = new WeakMap();
  const owners = new Map();
  const ownerOf = (orderId) => owners.get(orderId) ?? null;

  function noteOrder({ body: order, etag = null }, { shopperId }) {
    etags.set(order, etag);
    owners.set(order.id, shopperId);
    if (owners.size > mostOwners) owners.delete(owners.keys().next().value);
    if (isFinal(order)) keep.forget(`card:${order.id}`);
  }

  async function askAsOwner(owner, path, request) {
    const as = await sessions.as(owner);
    try {
      return { ...(await sessions.askAs(as, path, request)), as };
    } catch (error) {
      throw error.code === "unauthenticated" && sessions.end(as) ? sessionEnded() : error;
    }
  }

  async function askForOrder(orderId, request) {
    const answer = await askAsOwner(ownerOf(orderId), pathOf(orderId), request);
    if (answer.body) noteOrder(answer, answer.as);
    return answer;
  }

  const askPersistently = async (orderId, request = {}) =>
    (await persist(pause, () => askForOrder(orderId, request))).body;

  /** @type {Client["waitFor"]} */
  async function waitFor(given, { until = isFinal, onChange, onConnection, signal } = {}) {
    const id = typeof given === "string" ? given : given.id;
    /** @type {any} */
    let seen = typeof given === "string" ? null : given;
    let etag = (seen && etags.get(seen)) ?? null;
    let failures = 0;
    let lost = 0;
    while (seen === null || !until(seen)) {
      const askedAt = now();
      const headers = etag === null ? {} : { prefer: `wait=${waitSeconds}`, "if-none-match": etag };
      try {
        const answer = await askForOrder(id, { headers, signal });
        if (lost) onConnection?.("back");
        failures = lost = 0;
        const changed = answer.body && answer.etag !== etag;
        if (answer.body) {
          seen = answer.body;
          onChange?.(seen);
        }
        // Whole answers alone have the place in line: after a wait for nothing, one is asked for.
        etag = answer.body || seen?.status !== "queued" ? answer.etag : null;
        // What holds no answers, such as a server that is closing, is not asked in a loop.
        if (!changed && now() - askedAt < usualPauseMs) await pause(usualPauseMs, signal);
      } catch (error) {
        if (!isPassing(error)) throw error;
        if (error.status !== 429 && lost++ === 0) onConnection?.("lost");
        // The next answer is not waited for: it shows that the shop is back.
        etag = null;
        const backoffMs = Math.min(longestBackoffMs, usualPauseMs * 2 ** failures++);
        const askedForMs = Math.min(longestRetryAfterMs, error.retryAfterSeconds * 1_000);
        await pause(spread(Math.max(backoffMs, askedForMs)), signal);
      }
    }
    return seen;
  }

  return {
    noteOrder,
    ownerOf,
    waitFor,
    cancel: (orderId) => askPersistently(orderId, { method: "DELETE" }),
    order: (orderId) => askPersistently(orderId),
    async orders(page = {}) {
      const { body, as } = await askAsOwner(null, `/orders?${query(page)}`);
      for (const order of body.orders ?? []) noteOrder({ body: order }, as);
      return body;
    },
  };
}

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value));
