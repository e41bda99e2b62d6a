import { lookup } from "node:dns";
import type { Agent } from "node:http";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { RequestFilteringHttpAgent, RequestFilteringHttpsAgent } from "request-filtering-agent";

/**
 * Whether a URL's host is an address that is no public one: private, loopback, link-local, shared
 * (CGNAT), multicast, unspecified, or an IPv6 one that stands for an IPv4 one. A name is none: what
 * it resolves to is looked at when a connection is made.
 */
export function isPrivateAddress({ hostname }: URL): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  return isIP(address) !== 0 && ipaddr.parse(address).range() !== "unicast";
}

const idleMs = 20_000; // an idle connection is closed after this; a sale's events come closer together

/**
 * Connections to the shop. Whether an address may be connected to is judged in the connection's own
 * lookup: a name that resolves to another address between a check and the connection is no way in.
 * @param most how many at a time
 */
export function openConnections(url: URL, allowPrivate: boolean, most: number): Agent {
  const allow = { allowPrivateIPAddress: allowPrivate, allowMetaIPAddress: allowPrivate };
  const options = { keepAlive: true, maxSockets: most, timeout: idleMs, lookup: sharedLookup(), ...allow };
  return url.protocol === "https:" ? new RequestFilteringHttpsAgent(options) : new RequestFilteringHttpAgent(options);
}

/**
 * Asks for the address of a name once for all connections that want it at the moment. Node has two
 * such questions under way at a time in the whole process: a name server that hangs on the shop's
 * name would otherwise keep everybody else's waiting, the payment provider's first of all.
 * @param resolve asked about one name only, and always in the same way
 */
export function sharedLookup(resolve: LookupFunction = lookup): LookupFunction {
  let waiting: Parameters<LookupFunction>[2][] = [];
  return (hostname, options, callback) => {
    waiting.push(callback);
    if (waiting.length > 1) return;
    resolve(hostname, options, (...answer) => {
      const answered = waiting;
      waiting = [];
      for (const tell of answered) tell(...answer);
    });
  };
}
