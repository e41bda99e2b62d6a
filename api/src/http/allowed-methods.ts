import type { FastifyReply } from "fastify";
import type { App } from "./fastify-app.ts";
import { Problem } from "./problems.ts";

interface Address {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/**
 * Answers what no route takes: 405 with `Allow` (RFC 9110, section 15.5.6) where the address has
 * other methods, otherwise 404. To be called before any route is registered.
 */
export function answerUnrouted(app: App): void {
  const addresses = new Map<string, Address>();
  app.addHook("onRoute", ({ url, method }) => {
    if (url.includes("*")) return; // files of a folder: it says nothing of any one address
    const address = addresses.get(url) ?? { pattern: patternOf(url), methods: new Set() };
    addresses.set(url, address);
    for (const one of [method].flat()) address.methods.add(one);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request.url);
    const methods = [...addresses.values()].flatMap((one) => (one.pattern.test(path) ? [...one.methods] : []));
    if (methods.length === 0 || methods.includes(request.method)) throw routeNotFound(request.method);
    throw methodNotAllowed(reply, request.method, methods);
  });
}

/** The path of an address as the router reads it: without its query, each letter as itself. */
export function pathOf(url: string): string {
  const path = url.split("?", 1)[0] ?? "";
  try {
    return decodeURI(path);
  } catch {
    return path; // refused by the router before anybody looks at it
  }
}

function routeNotFound(method: string): Problem {
  return new Problem("route_not_found", `${method} on this address means nothing here; see /docs.`);
}

function methodNotAllowed(reply: FastifyReply, method: string, methods: readonly string[]): Problem {
  const allowed = [...new Set(methods)].toSorted().join(", ");
  reply.header("allow", allowed);
  return new Problem("method_not_allowed", `This address does not take ${method}, only ${allowed}.`);
}

function patternOf(url: string): RegExp {
  const segments = url.split("/").map((part) => (part.startsWith(":") ? "[^/]+" : RegExp.escape(part)));
  return new RegExp(`^${segments.join("/")}/?$`);
}
