import type { IncomingHttpHeaders } from "node:http";

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Whether a browser sends this at the wish of somebody else's page. A browser that once signed in
 * as operations adds the password to every request by itself, so for whatever changes something it
 * has to say where the wish comes from: newer ones in Sec-Fetch-Site, all of them in Origin.
 * Programs send neither, and nobody makes them act unasked.
 * https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
 * @param host as the browser was told to find us, with the port
 */
export function isFromForeignPage(method: string, headers: IncomingHttpHeaders, host: string): boolean {
  if (safeMethods.has(method)) return false;
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return true;
  const { origin } = headers;
  // A proxy that passes on another Host than it was asked for is common; then only Sec-Fetch-Site
  // can tell.
  if (origin === undefined || site === "same-origin") return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}
