// What each function promises is written in client.d.ts. The rule behind it all: the key of a
// purchase is kept from before the first send until the shop has answered for good.

const maxSends = 3; // of one call; then the shopper decides
const answerTimeoutMs = 15_000; // later ones are lost, for all we know
const waitSeconds = 20; // of a long poll: proxies let it be
const usualPauseMs = 1_000; // where the shop does not say how long
const longestPauseMs = 10_000; // longer, and the buyer is told
const longestBackoffMs = 30_000;
const tokenLifeMs = 600_000; // of a confirmation token: some live for minutes only
const leaseMs = 5_000; // renewed while needed: a tab that died blocks no other for longer
const settleMs = 100; // by then all tabs see what another one has written

/** @type {typeof import("./client.js").isFinal} */
export const isFinal = ({ status }) => status !== "queued" && status !== "reserved";

/** @type {typeof import("./client.js").createClient} */
export function createClient(options = {}) {
  const inBrowser = typeof document === "object";
  const {
    baseUrl = "",
    fetch = (url, request) => globalThis.fetch(url, request),
    pause = sleep,
    now = Date.now,
    storage = textStorage(inBrowser),
    locks = inBrowser ? navigator.locks : null,
  } = options;
  const alone = !options.storage && !inBrowser; // in its own memory
  let ownToken = options.token;
  /** @type {Map<string, Promise<any>>} */
  const underWay = new Map();
  const etags = new WeakMap();
  let shown = { etag: null, items: [] };

  const read = (name) => {
    try {
      return JSON.parse(storage.getItem(`holdfast:${name}`) ?? "null");
    } catch {
      return null; // somebody else's text
    }
  };
  const write = (name, value) => storage.setItem(`holdfast:${name}`, JSON.stringify(value));
  const forget = (name) => storage.removeItem(`holdfast:${name}`);

  /** Whoever asks meanwhile gets the same answer. */
  function once(name, work) {
    const begun = underWay.get(name) ?? work().finally(() => underWay.delete(name));
    underWay.set(name, begun);
    return begun;
  }

  /** One at a time in all tabs. Pages without TLS have no Web Locks, and use a lease. */
  async function exclusive(name, work) {
    if (alone) return work();
    if (locks) return locks.request(`holdfast:${name}`, work);
    const lease = `lease:${name}`;
    const owner = newKey();
    const isOurs = () => read(lease)?.owner === owner;
    const take = () => write(lease, { owner, until: now() + leaseMs });
    while (!isOurs()) {
      if (!(read(lease)?.until > now())) take();
      await pause(settleMs); // the last one to write has it
    }
    const renewal = setInterval(() => isOurs() && take(), leaseMs / 5);
    try {
      return await work();
    } finally {
      clearInterval(renewal);
      if (isOurs()) forget(lease);
    }
  }

  async function ask(path, request) {
    const heldMs = request.headers?.prefer ? waitSeconds * 1_000 : 0;
    const signals = [AbortSignal.timeout(answerTimeoutMs + heldMs), request.signal].filter((signal) => signal);
    let response;
    /** @type {any} */
    let body = null;
    try {
      response = await fetch(baseUrl + path, { ...request, signal: AbortSignal.any(signals) });
      if (response.status !== 304) body = Object(await response.json());
    } catch {
      request.signal?.throwIfAborted();
      // The connection broke, or it was not the shop that answered.
      throw new HoldfastError(response?.status ?? 0, null);
    }
    const { ok, status, headers } = response;
    if (!ok && status !== 304) throw new HoldfastError(status, body, headers.get("retry-after"));
    const etag = headers.get("etag");
    if (body) etags.set(body, etag);
    return { body, etag };
  }

  if (!read("seed")) write("seed", newKey());

  const keptSession = () => {
    const kept = read("session");
    return Date.parse(kept?.expiresAt) > now() + 60_000 ? kept : null; // good for what is to come
  };

  async function session() {
    if (ownToken) return sessionOf(ownToken);
    const open = async () => {
      const opened = keptSession(); // by another tab
      if (opened) return opened;
      const { body } = await ask("/sessions", { method: "POST" });
      write("session", body);
      return body;
    };
    return keptSession() ?? once("session", () => exclusive("session", open));
  }

  const askAs = ({ token }, path, request) =>
    ask(path, { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } });

  /** Unless it has been replaced meanwhile. */
  function endSession({ token }) {
    if (read("session")?.token === token) forget("session");
  }

  async function askAsShopper(path, request = {}) {
    const first = await session();
    try {
      return await askAs(first, path, request);
    } catch (error) {
      if (error.code !== "unauthenticated" || ownToken) throw error;
      endSession(first);
      return askAs(await session(), path, request);
    }
  }

  /** The card chosen first counts: a key belongs to one request. But a token may be replaced. */
  async function addCard(intention, { paymentMethod, confirmationToken }) {
    const { body, tokenAt = 0 } = intention;
    if (paymentMethod && !body.confirmationToken) body.paymentMethod ??= paymentMethod;
    if (!confirmationToken || body.paymentMethod) return;
    const isMade = typeof confirmationToken === "string";
    if (!isMade && now() - tokenAt < tokenLifeMs) return;
    body.confirmationToken = isMade ? confirmationToken : await confirmationToken();
    intention.tokenAt = now();
  }

  /** Sends an intention, which is kept under a name, until the shop has answered it for good. */
  async function sendUntilAnswered(name, path, intention, card, note) {
    // Whose order it may have become already: a key means something together with its shopper alone.
    let sentAs = intention.shopperId;
    const keep = (shopperId) => write(name, { ...intention, shopperId });
    keep(sentAs);
    for (let sends = 1; ; sends++) {
      let as;
      try {
        as = await session();
        if (sentAs !== null && sentAs !== as.shopperId) throw new HoldfastError(410, sessionEnded);
        await addCard(intention, card);
        keep(as.shopperId);
        const headers = { "content-type": "application/json", "idempotency-key": intention.key };
        const { body } = await askAs(as, path, { method: "POST", headers, body: JSON.stringify(intention.body) });
        if (!body.id) throw new HoldfastError(0, null); // whoever answered, it was not the shop
        note?.(body);
        forget(name);
        return body;
      } catch (error) {
        const refused = as && error.code === "unauthenticated";
        if (refused) {
          keep(sentAs); // this one was not taken: its key is as good in another session
          endSession(as);
          if (!ownToken && sends < maxSends) continue;
        }
        if (error.definite !== false) {
          // What may be in line keeps its key while its shopper signs in again, or looks for a card.
          if (sentAs === null || (as && !refused && error.definite)) forget(name);
          throw error;
        }
        if (as) sentAs = as.shopperId;
        const waitMs = error.retryAfterSeconds * 1_000 || usualPauseMs;
        if (sends === maxSends || waitMs > longestPauseMs) {
          error.message += ". Ask again: it is the same purchase, and paid once.";
          throw error;
        }
        await pause(spread(waitMs));
      }
    }
  }

  const pathOf = (orderId) => `/orders/${encodeURIComponent(orderId)}`;
  const bodyOf = async (path, request) => (await askAsShopper(path, request)).body;

  /** @type {import("./client.js").Client} */
  const client = {
    async items() {
      const { body, etag } = await ask("/items", { headers: shown.etag ? { "if-none-match": shown.etag } : {} });
      if (body) shown = { etag, items: body };
      return shown.items;
    },

    buy(itemId, { quantity = 1, metadata, ...card }) {
      const name = `intention:${itemId}`;
      const pressedAt = now();
      const send = async () => {
        const kept = read(name);
        const answer = read(`answer:${itemId}`);
        // Another tab's answer that came after this press is the answer to this press, too.
        if (!kept && answer?.at > pressedAt) return client.order(answer.orderId);
        const { count = 0 } = answer ?? {};
        // The same in every tab until there is an answer, however late a tab's storage learns of it.
        const key = `${read("seed")}-${itemId}-${count}`;
        const intention = kept ?? { key, count, body: { quantity, metadata }, shopperId: null, at: pressedAt };
        const note = ({ id }) => write(`answer:${itemId}`, { at: now(), orderId: id, count: intention.count + 1 });
        return sendUntilAnswered(name, `/purchase/${encodeURIComponent(itemId)}`, intention, card, note);
      };
      return once(name, () => exclusive(name, send));
    },

    payWithAnotherCard(orderId, card) {
      const name = `card:${orderId}`;
      const { body, ...kept } = read(name) ?? {};
      const same = ["paymentMethod", "confirmationToken"].every((kind) => body?.[kind] === card[kind]);
      const intention = body && same ? { body, ...kept } : { key: newKey(), body: {}, shopperId: null };
      return once(name, () => sendUntilAnswered(name, `${pathOf(orderId)}/payment`, intention, card));
    },

    async waitFor(given, { until = isFinal, onChange, onConnection, signal } = {}) {
      const path = pathOf(typeof given === "string" ? given : given.id);
      /** @type {any} */
      let seen = typeof given === "string" ? null : given;
      let etag = (seen && etags.get(seen)) ?? null;
      let failures = 0;
      let lost = 0;
      while (seen === null || !until(seen)) {
        const askedAt = now();
        const headers = etag === null ? {} : { prefer: `wait=${waitSeconds}`, "if-none-match": etag };
        try {
          const answer = await askAsShopper(path, { headers, signal });
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
          if (error.definite !== false) throw error;
          if (error.status !== 429 && lost++ === 0) onConnection?.("lost");
          const backoffMs = Math.min(longestBackoffMs, usualPauseMs * 2 ** failures++);
          await pause(spread(Math.max(backoffMs, error.retryAfterSeconds * 1_000)), signal);
        }
      }
      return seen;
    },

    isBuying: (itemId) => underWay.has(`intention:${itemId}`),
    answeredAt: (itemId) => read(`answer:${itemId}`)?.at ?? null,
    unansweredSince: (itemId) => read(`intention:${itemId}`)?.at ?? null,
    cancel: (orderId) => bodyOf(pathOf(orderId), { method: "DELETE" }),
    order: (orderId) => bodyOf(pathOf(orderId)),
    orders: (page = {}) => bodyOf(`/orders?${query(page)}`),
    session,
    hasSession: () => Boolean(ownToken || keptSession()),
    signIn: (token) => {
      ownToken = token;
    },
  };
  return client;
}

const sessionEnded = {
  code: "session_ended",
  title: "Your session ended before the answer: that purchase may have gone through",
};

export class HoldfastError extends Error {
  constructor(status, problem, retryAfter = null) {
    super(problem?.title ?? "The shop does not answer");
    this.status = status;
    this.code = problem?.code ?? null;
    this.detail = problem?.detail ?? null;
    this.retryAfterSeconds = Number(retryAfter) || null;
    // Definite is what the shop itself says of the request; anything else may be in line.
    this.definite = Boolean(this.code) && status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  }
}

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value));

/** A shop's own token says itself whose it is; what does not, the shop decides about. */
function sessionOf(token) {
  let claims;
  try {
    const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
  } catch {}
  const { sub = token, exp } = claims ?? {};
  return { token, shopperId: sub, expiresAt: exp ? new Date(exp * 1_000).toISOString() : null };
}

/** Not everybody at once, after an outage that everybody saw. */
const spread = (ms) => ms * (1 + Math.random() / 4);

/** Nobody else's. By hand, since crypto.randomUUID is missing on pages without TLS. */
const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/** @returns {Promise<void>} */
const sleep = (ms, signal) =>
  new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });

/** The browser's storage, and this page's memory where that is full, forbidden or missing. */
function textStorage(inBrowser) {
  const memory = new Map();
  /** null where it worked and there is no text, undefined where it did not. */
  const lasting = (method, ...texts) => {
    try {
      return inBrowser ? (localStorage[method](...texts) ?? null) : undefined;
    } catch {}
  };
  return {
    getItem: (name) => memory.get(name) ?? lasting("getItem", name) ?? null,
    setItem(name, text) {
      memory.set(name, text);
      if (lasting("setItem", name, text) === null) memory.delete(name);
    },
    removeItem(name) {
      memory.delete(name);
      lasting("removeItem", name);
    },
  };
}
