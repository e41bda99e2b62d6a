import type { Socket } from "node:net";
import type { FastifyHttpOptions, RawServerDefault } from "fastify";
import { answerBrokenRequest } from "./broken-requests.ts";
import type { App } from "./fastify-app.ts";
import { Problem } from "./problems.ts";

/** How much of us one connection may take, whoever is at its other end. */
export interface ConnectionLimits {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly checkEveryMs: number;
  readonly idleTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly maxConnections: number;
  readonly maxRequestsUnderWay: number;
}

export const connectionLimits: ConnectionLimits = {
  headersTimeoutMs: 5_000, // a head is one packet or two; a phone on a bad line needs a second or two for it
  requestTimeoutMs: 10_000, // head and body: whoever takes longer is an attack or a dead line
  checkEveryMs: 1_000, // how late the two above may be noticed; Node's own 30 s would be an attacker's bonus
  idleTimeoutMs: 60_000, // nothing read and nothing written; the longest answer that is waited for takes 30 s
  maxHeaderBytes: 16 * 1024, // with the address; a browser sends 1 KB, a token is under 1 KB
  maxHeaders: 100, // a browser sends about 20, each proxy adds a handful
  maxConnections: 20_000, // at some 20 KB each 400 MB; a crowd of 5,000 keeps 5,000 open
  maxRequestsUnderWay: 8, // on one connection; browsers and load balancers send the next request when they have the answer to the last
};

const keepAliveMs = 72_000; // longer than the 60 s of common load balancers, so that it is they who close

/**
 * What Fastify is to be built with, so that nobody can hold a connection, or fill our memory
 * through one.
 */
export function connectionOptions(limits: ConnectionLimits) {
  return {
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    connectionTimeout: limits.idleTimeoutMs,
    http: {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.checkEveryMs,
      maxHeaderSize: limits.maxHeaderBytes,
    },
    clientErrorHandler: answerBrokenRequest,
  } satisfies FastifyHttpOptions<RawServerDefault>;
}

/**
 * The limits that are not options: how many connections, how many headers on a request, and how
 * many requests at once on each connection.
 *
 * Requests that are sent before the last one's answer has come (pipelining) are all worked on at
 * once. One too many ends the connection there and then, without an answer: a 429 would have to
 * wait for the answers before it, up to thirty seconds, and so would every request that came in the
 * same packet. 64 KB of those held 8.5 MB.
 */
export function limitConnections(app: App, limits: ConnectionLimits): void {
  const { maxConnections, maxHeaders, maxRequestsUnderWay } = limits;
  app.server.maxConnections = maxConnections;
  const underWay = new WeakMap<Socket, { requests: number }>();
  app.addHook("onRequest", (request, reply, done) => {
    const { socket, rawHeaders } = request.raw;
    const connection = underWay.get(socket);
    if (connection) connection.requests += 1;
    else underWay.set(socket, { requests: 1 });
    if (connection && connection.requests > maxRequestsUnderWay) {
      reply.hijack(); // nobody is there to be answered
      socket.destroy();
      return;
    }
    if (rawHeaders.length <= 2 * maxHeaders) return done(); // names and values take turns
    reply.header("connection", "close");
    done(new Problem("headers_too_large", `More than ${maxHeaders} headers.`));
  });
  // Not called where the connection broke before the answer; its count is gone with it.
  app.addHook("onResponse", (request, _reply, done) => {
    const connection = underWay.get(request.raw.socket);
    if (connection) connection.requests -= 1;
    done();
  });
}
