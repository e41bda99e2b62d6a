// A shop that signs its shoppers in itself opens this page with their token behind the #, which no
// browser sends to a server. This script runs first (index.html) and takes it out of the address,
// so that it stays in no history, bookmark or copied link; it is kept for this tab alone
// (docs/security.md).

const name = "holdfast:token";

/** @returns the shop's own token for its shopper; null where the shopper is a guest */
export function takeToken(location, history, storage) {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) history.replaceState(history.state, "", location.pathname + location.search);
  try {
    if (token) storage().setItem(name, token);
    return token ?? storage().getItem(name);
  } catch {
    return token; // this browser keeps nothing: good until the page is left
  }
}

/** Whether the token will still be there after a reload. */
export function keepsToken(token, storage) {
  try {
    return storage().getItem(name) === token;
  } catch {
    return false;
  }
}

export const ownToken = globalThis.document
  ? takeToken(window.location, window.history, () => window.sessionStorage)
  : null;
