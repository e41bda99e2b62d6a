import { lookup } from "node:dns";
import type { Agent } from "node:http";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { RequestFilteringHttpAgent, RequestFilteringHttpsAgent } from "request-filtering-agent";

// What the library takes for public.
const alsoPrivate = [
  ipaddr.parseCIDR("::/96"), // an IPv4 address, as it was once written in IPv6
  ipaddr.parseCIDR("168.63.129.16/32"), // Azure's own services, as seen from its machines
];

/**
 * Whether a URL's host is an address that is no public one: private, loopback, link-local, shared
 * (CGNAT), multicast, unspecified, a cloud's own, or an IPv6 one that stands for an IPv4 one. A
 * name is none: what it resolves to is looked at when a connection is made.
 */
export function isPrivateAddress({ hostname }: URL): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  return isIP(address) !== 0 && !isPublic(address);
}

function isPublic(text: string): boolean {
  const address = ipaddr.parse(text);
  if (address.range() !== "unicast") return false;
  return !alsoPrivate.some(([range, bits]) => range.kind() === address.kind() && address.match(range, bits));
}

const idleMs = 20_000; // then an idle connection is closed; a sale's events come closer together

/**
 * Connections to the shop. Whether an address may be connected to is judged in the connection's own
 * lookup: a name that resolves to another address between a check and the connection is no way in.
 * @param most how many at a time
 * @param resolve finds the addresses of a name
 */
export function openConnections(
  url: URL,
  allowPrivate: boolean,
  most: number,
  resolve: LookupFunction = lookup,
): Agent {
  const shared = sharedLookup(resolve);
  const options = {
    keepAlive: true,
    maxSockets: most,
    timeout: idleMs,
    lookup: allowPrivate ? shared : publicLookup(shared),
    allowPrivateIPAddress: allowPrivate,
    allowMetaIPAddress: allowPrivate,
  };
  return url.protocol === "https:" ? new RequestFilteringHttpsAgent(options) : new RequestFilteringHttpAgent(options);
}

/** Fails for a name that leads to an address that is no public one. */
function publicLookup(resolve: LookupFunction): LookupFunction {
  return (hostname, options, callback) =>
    resolve(hostname, options, (error, found, family) => {
      const addresses = typeof found === "string" ? [found] : (found ?? []).map(({ address }) => address);
      const refused = addresses.find((address) => !isPublic(address));
      if (error || refused === undefined) callback(error, found, family);
      else callback(new Error(`${refused} is not allowed: it is a private IP address`), []);
    });
}

/**
 * Asks for the address of a name once for all connections that want it at the moment. Node has two
 * such questions under way at a time in the whole process: a name server that hangs on the shop's
 * name would otherwise keep everybody else's waiting, the payment provider's first of all.
 * @param resolve asked about one name only, and always in the same way
 */
export function sharedLookup(resolve: LookupFunction): LookupFunction {
  let waiting: Parameters<LookupFunction>[2][] = [];
  return (hostname, options, callback) => {
    waiting.push(callback);
    if (waiting.length > 1) return;
    resolve(hostname, options, (...answer) => {
      const answered = waiting;
      waiting = [];
      for (const each of answered) each(...answer);
    });
  };
}
