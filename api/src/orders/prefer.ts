import type { IncomingHttpHeaders } from "node:http";
import type { FastifyReply } from "fastify";
import type { Waiter } from "./order-watch.ts";

const maxWaitSeconds = 30; // shorter than any load balancer's idle timeout worth setting

/**
 * How long a client asks to be kept waiting, `Prefer: wait=N` (RFC 7240, section 4.3), in whole
 * seconds, 30 at most. 0 where it does not ask, or in a way that is not understood: a preference is
 * never an error.
 */
export function waitSeconds(headers: IncomingHttpHeaders): number {
  const prefer = headers.prefer;
  if (prefer === undefined) return 0;
  const text = Array.isArray(prefer) ? prefer.join(",") : prefer;
  const seconds = /(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)/i.exec(text)?.[1];
  return Math.min(Number(seconds ?? 0), maxWaitSeconds);
}

/**
 * Who waits for the answer to a request, and how long; says in the answer that the preference was
 * applied.
 */
export function prepareWaiter(
  request: { readonly headers: IncomingHttpHeaders },
  reply: FastifyReply,
  shopperId: string,
  orderId: string,
): Waiter {
  const seconds = waitSeconds(request.headers);
  if (seconds > 0) reply.header("preference-applied", `wait=${seconds}`);
  // Whoever left while their order was looked at is gone already: that is not told again.
  const onGone = (gone: () => void) => (reply.raw.closed ? gone() : void reply.raw.once("close", gone));
  return { shopperId, orderId, waitMs: seconds * 1000, onGone };
}
