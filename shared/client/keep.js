// What is kept over a reload, and shared by the tabs of a browser.

// Renewed while needed: a tab that died blocks no other for longer.
const leaseMs = 5_000;
// By then all tabs see what another one has written.
const settleMs = 100;

/** Nobody else's. By hand, since crypto.randomUUID is missing on pages without TLS. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/** @param {import("./client.js").ClientOptions} options */
export function createKeep({ storage, locks }, pause, now) {
  const inBrowser = typeof document === "object";
  const kept = storage ?? textStorage(inBrowser);
  const webLocks = locks ?? (inBrowser ? navigator.locks : null);
  const underWay = new Map();

  const read = (name) => {
    try {
      return JSON.parse(kept.getItem(`holdfast:${name}`) ?? "null");
    } catch {
      // Somebody else's text.
      return null;
    }
  };
  const write = (name, value) => kept.setItem(`holdfast:${name}`, JSON.stringify(value));
  const forget = (name) => kept.removeItem(`holdfast:${name}`);

  /** Of all keys. Read anew each time: storage can be cleared while a page is open. */
  function seed() {
    const made = read("seed") ?? newKey();
    write("seed", made);
    return made;
  }
  // Now, so that other tabs know it by the time of a press.
  seed();

  /** One at a time in all tabs. Pages without TLS have no Web Locks, and use a lease. */
  async function exclusive(name, work) {
    if (webLocks) return webLocks.request(`holdfast:${name}`, work);
    // Alone, in its own memory.
    if (!storage && !inBrowser) return work();
    const lease = `lease:${name}`;
    const owner = newKey();
    const isOurs = () => read(lease)?.owner === owner;
    const take = () => write(lease, { owner, until: now() + leaseMs });
    while (!isOurs()) {
      if (!(read(lease)?.until > now())) take();
      // The last one to write has it.
      await pause(settleMs);
    }
    const renewal = setInterval(() => isOurs() && take(), leaseMs / 5);
    try {
      return await work();
    } finally {
      clearInterval(renewal);
      if (isOurs()) forget(lease);
    }
  }

  return {
    read,
    write,
    forget,
    seed,
    exclusive,
    lasts: () => !("lasts" in kept) || kept.lasts(),
    /** Whoever asks meanwhile gets the same answer. */
    once(name, work) {
      const begun = underWay.get(name) ?? work().finally(() => underWay.delete(name));
      underWay.set(name, begun);
      return begun;
    },
    isUnderWay: (name) => underWay.has(name),
  };
}

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
    lasts: () => lasting("setItem", "holdfast:lasts", "") === null,
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
