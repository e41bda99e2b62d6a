import { hash } from "node:crypto";
import type { FastifyReply } from "fastify";

/** The tag of an answer by what it says. */
export function contentTag(body: string): string {
  return `"${hash("sha1", body, "base64url")}"`;
}

/**
 * Whether what a client has is what it would get: `If-None-Match` (RFC 9110, section 13.1.2), by
 * weak comparison.
 */
export function matchesTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  return ifNoneMatch.split(",").some((one) => one.trim().replace(/^W\//, "") === tag);
}

/**
 * Gives an answer its tag, and makes it a 304 where the client has it already.
 * @returns whether it is one: then there is no body
 */
export function isUnchanged(reply: FastifyReply, ifNoneMatch: string | undefined, tag: string): boolean {
  reply.header("etag", tag);
  const unchanged = matchesTag(ifNoneMatch, tag);
  if (unchanged) reply.code(304);
  return unchanged;
}
