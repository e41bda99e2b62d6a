import type { FastifyReply } from "fastify";

/**
 * Whether what a client has is what it would get: `If-None-Match` (RFC 9110, section 13.1.2), by
 * weak comparison.
 */
export function matchesTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  return ifNoneMatch.split(",").some((one) => one.trim().replace(/^W\//, "") === tag);
}

/** Answers with a body that has a tag, or with 304 where the client has it already. */
export function sendTagged<Body>(
  reply: FastifyReply,
  ifNoneMatch: string | undefined,
  tag: string,
  body: () => Body | Promise<Body>,
): Body | Promise<Body> | FastifyReply {
  reply.header("etag", tag);
  return matchesTag(ifNoneMatch, tag) ? reply.code(304).send() : body();
}
