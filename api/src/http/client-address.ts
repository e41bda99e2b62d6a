import { isIP, isIPv6 } from "node:net";
import type { FastifyRequest } from "fastify";

/**
 * Whom a limit per client address counts. An IPv6 subscriber has at least a /64 (RFC 6177), so all
 * of one counts as one: nobody gets 2^64 tries. What a proxy forwards and is no address is not
 * believed: the connection's own address counts then.
 */
export function clientAddress(request: Pick<FastifyRequest, "ip" | "socket">): string {
  const { ip } = request;
  const address = isIP(ip) ? ip : (request.socket.remoteAddress ?? "unknown");
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(address) ? network64(address) : address;
}

function network64(address: string): string {
  const [head, tail] = address.split("::").map((part) => part.split(":").filter((group) => group !== ""));
  const left = head ?? [];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - tail.length }, () => "0");
  const groups = [...left, ...zeros, ...(tail ?? [])].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}
