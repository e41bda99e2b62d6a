// Requests to the shop: one at a time, and as whom.

// Later ones are lost, for all we know.
const answerTimeoutMs = 15_000;
// Of a long poll: proxies let it be.
export const waitSeconds = 20;
// Of one call; then the shopper decides.
const maxSends = 3;
// Longer, and the buyer is told.
const longestPauseMs = 10_000;
// Where the shop does not say how long.
export const usualPauseMs = 1_000;

export class HoldfastError extends Error {
  constructor(status, problem, retryAfter = "") {
    super(problem?.title ?? "The shop does not answer");
    this.status = status;
    this.code = problem?.code ?? null;
    this.detail = problem?.detail ?? null;
    this.retryAfterSeconds = Math.max(0, Number(retryAfter)) || null;
    // Definite is what the shop itself says of the request; anything else may be in line.
    this.definite = Boolean(this.code) && status >= 400 && status < 500 && ![408, 410, 425, 429].includes(status);
  }
}

/** What is one shopper's is never asked for as another. */
export const sessionEnded = () =>
  new HoldfastError(410, { code: "session_ended", title: "The session ended: a purchase may have gone through" });

/** Whether asking again may help. */
export const isPassing = ({ definite, status }) => definite === false && status !== 410;

export function createAsk(baseUrl, fetch) {
  /**
   * @param {string} path
   * @param {{ signal?: AbortSignal, method?: string, headers?: any }} [request]
   */
  async function ask(path, { signal, ...request } = {}) {
    // By hand: browsers of 2023 have no AbortSignal.any.
    const end = new AbortController();
    const abort = () => end.abort();
    const timer = setTimeout(abort, answerTimeoutMs + (request.headers?.prefer ? waitSeconds * 1_000 : 0));
    signal?.addEventListener("abort", abort);
    let response;
    let body = null;
    try {
      signal?.throwIfAborted();
      response = await fetch(baseUrl + path, { ...request, signal: end.signal });
      if (response.status !== 304) body = Object(await response.json());
    } catch {
      signal?.throwIfAborted();
      // The connection broke, or it was not the shop that answered.
      throw new HoldfastError(response?.status ?? 0, null);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
    if (body && !response.ok) throw new HoldfastError(response.status, body, response.headers.get("retry-after"));
    return { body, etag: response.headers.get("etag") };
  }
  return ask;
}

/** Asks again after what passes, three times in all. */
export async function persist(pause, work) {
  for (let sends = 1; ; sends++) {
    try {
      return await work();
    } catch (error) {
      const waitMs = error.retryAfterSeconds * 1_000 || usualPauseMs;
      if (!isPassing(error) || sends === maxSends || waitMs > longestPauseMs) throw error;
      await pause(spread(waitMs));
    }
  }
}

/** A guest's session or the shop's own token, good until the shop says 401: clocks are wrong. */
export function createSessions(ask, keep, ownToken) {
  const kept = () => {
    const session = keep.read("session");
    return session?.token ? session : null;
  };

  async function open() {
    // By another tab.
    const opened = kept();
    if (opened) return opened;
    const { body } = await ask("/sessions", { method: "POST" });
    // Whoever answered, it was not the shop.
    if (!body.token) throw new HoldfastError(0, null);
    keep.write("session", body);
    return body;
  }

  const hasSession = () => Boolean(ownToken || kept());
  const session = async () =>
    ownToken ? readToken(ownToken) : (kept() ?? keep.once("session", () => keep.exclusive("session", open)));

  return {
    session,
    hasSession,
    signIn: (token) => {
      ownToken = token;
    },
    /** Names are the shop's shoppers' own; guests are one at a time in a browser. */
    whose: () => (ownToken ? `:${readToken(ownToken).shopperId}` : ""),

    /** @param owner null where any shopper will do */
    async as(owner) {
      const found = owner === null || hasSession() ? await session() : null;
      if (owner !== null && found?.shopperId !== owner) throw sessionEnded();
      return found;
    },
    askAs: ({ token }, path, request) =>
      ask(path, { ...request, headers: { ...request?.headers, authorization: `Bearer ${token}` } }),

    /** After a 401. @returns whether a guest may open another */
    end({ token }) {
      // Not replaced meanwhile.
      if (kept()?.token === token) keep.forget("session");
      return token !== ownToken;
    },
  };
}

/** A shop's own token says itself whose it is; what does not, the shop decides about. */
function readToken(token) {
  let claims;
  try {
    const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
  } catch {}
  const { sub = token, exp } = claims ?? {};
  return { token, shopperId: sub, expiresAt: exp ? new Date(exp * 1_000).toISOString() : null };
}

/** Not everybody at once, after an outage that everybody saw. */
export const spread = (ms) => ms * (1 + Math.random() / 4);

/** @returns {Promise<void>} */
export const sleep = (ms, signal) =>
  new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
