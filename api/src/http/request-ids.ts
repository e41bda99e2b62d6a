import { randomBytes } from "node:crypto";
import type { Logger } from "@holdfast/shared/log.ts";
import type { FastifyRequest } from "fastify";
import type { App } from "./fastify-app.ts";

const takenId = /^[A-Za-z0-9._-]{8,64}$/; // as proxies and tracers make them; anything else would go into our logs

/**
 * Ids of requests, unlike those of any other server or start: a prefix of the process' own and a
 * number. A random one for each would cost more than the rest of a refusal.
 */
export function requestIds(): () => string {
  const prefix = randomBytes(6).toString("base64url");
  let count = 0;
  return () => {
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}

/**
 * Takes over the id that a trusted proxy has given a request (`X-Request-Id`): so one id leads
 * through the logs of both. From anybody else it is not looked at.
 */
export function takeRequestIds(app: App, trustsProxies: boolean): void {
  if (!trustsProxies) return;
  app.addHook("onRequest", (request, _reply, done) => {
    const given = request.headers["x-request-id"];
    if (typeof given === "string" && takenId.test(given) && cameByProxy(request)) request.id = given;
    done();
  });
}

/** Whether the one at the other end of the connection is trusted: then there is one before it. */
function cameByProxy({ ips }: FastifyRequest): boolean {
  return ips !== undefined && ips.length > 1;
}

/**
 * A line for each answer, at `debug` alone: at thousands a second it would cost more than the work.
 */
export function logAccess(app: App, log: Logger): void {
  if (!log.isLevelEnabled("debug")) return;
  app.addHook("onResponse", (request, reply, done) => {
    const { method, id: requestId } = request;
    const route = request.routeOptions.url ?? "none";
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    log.debug({ requestId, method, route, status: reply.statusCode, ms }, "request answered");
    done();
  });
}
