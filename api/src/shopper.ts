import { createSecretKey, randomUUID } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { createRemoteJWKSet, errors, jwtVerify, SignJWT } from "jose";
import type { ApiConfig } from "./config.ts";
import { Problem, unavailable } from "./problems.ts";

/** Says whose request it is: the `sub` of a valid token. @throws Problem `unauthenticated` for every other request */
export type IdentifyShopper = (request: FastifyRequest) => Promise<string>;

const guestSessionSeconds = 24 * 3600; // as long as an Idempotency-Key is remembered, and longer than any sale

// The id goes into Redis keys and the record: no control characters (Postgres takes no NUL), nothing half of a pair.
function isShopperId(sub: unknown): sub is string {
  return typeof sub === "string" && sub.length >= 1 && sub.length <= 255 && sub.isWellFormed() && !/\p{Cc}/u.test(sub);
}

/**
 * Tokens are verified with exactly one kind of key: HS256 under JWT_SECRET, or the published keys of JWKS_URL with their
 * asymmetric algorithms. So a token cannot choose how it is checked (RFC 8725, section 3.1), and `alg: none` never passes.
 */
export function shopperIdentifier(config: Pick<ApiConfig, "JWT_SECRET" | "JWKS_URL">): IdentifyShopper {
  const verify = tokenVerifier(config);
  return async (request) => {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]*)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined) throw new Problem("unauthenticated", "Send a shopper token: Authorization: Bearer …");
    const { payload } = await verify(token).catch((error: unknown) => Promise.reject(refusal(error)));
    if (isShopperId(payload.sub)) return payload.sub;
    throw new Problem("unauthenticated", "The token names no shopper (sub).");
  };
}

function tokenVerifier({ JWT_SECRET, JWKS_URL }: Pick<ApiConfig, "JWT_SECRET" | "JWKS_URL">) {
  if (JWKS_URL !== undefined) {
    const keys = createRemoteJWKSet(new URL(JWKS_URL), { timeoutDuration: 3_000 });
    const algorithms = [
      "RS256",
      "RS384",
      "RS512",
      "PS256",
      "PS384",
      "PS512",
      "ES256",
      "ES384",
      "ES512",
      "EdDSA",
      "Ed25519",
    ];
    return (token: string) => jwtVerify(token, keys, { algorithms, requiredClaims: ["exp"] });
  }
  // Made once: given as bytes, the key would be imported anew for every token.
  const key = createSecretKey(new TextEncoder().encode(JWT_SECRET)).toCryptoKey(
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["verify"],
  );
  return (token: string) => jwtVerify(token, key, { algorithms: ["HS256"], requiredClaims: ["exp"] });
}

function refusal(error: unknown): Problem {
  if (error instanceof errors.JWTExpired) return new Problem("unauthenticated", "The token has expired.");
  const keysAway = error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError);
  return keysAway ? unavailable() : new Problem("unauthenticated", "The token is not valid.");
}

export interface GuestSession {
  readonly token: string;
  readonly shopperId: string;
  readonly expiresAt: string;
}

/** Makes up a shopper and signs a token for them. */
export async function createGuestSession(secret: string, nowMs: number): Promise<GuestSession> {
  const shopperId = `guest-${randomUUID()}`;
  const issuedAt = Math.floor(nowMs / 1000);
  const expiresAt = issuedAt + guestSessionSeconds;
  const token = await new SignJWT()
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(shopperId)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(new TextEncoder().encode(secret));
  return { token, shopperId, expiresAt: new Date(expiresAt * 1000).toISOString() };
}
