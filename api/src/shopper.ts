import { createSecretKey, randomUUID } from "node:crypto";
import type { Logger } from "@holdfast/shared/log.ts";
import type { FastifyRequest } from "fastify";
import { errors, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { type ApiConfig, jwtSecrets } from "./config.ts";
import { Problem, unavailable } from "./problems.ts";
import { KeysUnavailable, publishedKeys } from "./published-keys.ts";

/** Says whose request it is: the `sub` of a valid token. @throws Problem `unauthenticated` for every other request */
export type IdentifyShopper = (request: FastifyRequest) => Promise<string>;

const guestSessionSeconds = 24 * 3600; // as long as an Idempotency-Key is remembered, and longer than any sale

// The id goes into Redis keys and the record: no control characters (Postgres takes no NUL), nothing half of a pair.
function isShopperId(sub: unknown): sub is string {
  return typeof sub === "string" && sub.length >= 1 && sub.length <= 255 && sub.isWellFormed() && !/\p{Cc}/u.test(sub);
}

export type TokenConfig = Pick<ApiConfig, "JWT_SECRET" | "JWKS_URL" | "JWT_ISSUER" | "JWT_AUDIENCE">;

/**
 * Tokens are verified with exactly one kind of key: HS256 under JWT_SECRET, or the published keys of JWKS_URL with their
 * asymmetric algorithms. So a token cannot choose how it is checked (RFC 8725, section 3.1), and `alg: none` never passes.
 * Issuer and audience must be ours where they are set (sections 3.8 and 3.9).
 */
export function shopperIdentifier(config: TokenConfig, log: Logger): IdentifyShopper {
  const verify =
    config.JWKS_URL === undefined ? secretVerifier(config) : publishedKeyVerifier(config, config.JWKS_URL, log);
  return async (request) => {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]*)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined) throw new Problem("unauthenticated", "Send a shopper token: Authorization: Bearer …");
    const payload = await verify(token).catch((error: unknown) => Promise.reject(refusal(error)));
    if (isShopperId(payload.sub)) return payload.sub;
    throw new Problem("unauthenticated", "The token names no shopper (sub).");
  };
}

type VerifyToken = (token: string) => Promise<JWTPayload>;

/** What every token must claim, whatever key it is checked with. */
function requiredClaims({ JWT_ISSUER, JWT_AUDIENCE }: TokenConfig) {
  return {
    requiredClaims: ["exp"],
    ...(JWT_ISSUER !== undefined && { issuer: JWT_ISSUER }),
    ...(JWT_AUDIENCE !== undefined && { audience: JWT_AUDIENCE }),
  };
}

const publishedAlgorithms = ["RS", "PS", "ES"].flatMap((kind) => [`${kind}256`, `${kind}384`, `${kind}512`]);

function publishedKeyVerifier(config: TokenConfig, url: string, log: Logger): VerifyToken {
  const keys = publishedKeys(url, log);
  const options = { ...requiredClaims(config), algorithms: [...publishedAlgorithms, "EdDSA", "Ed25519"] };
  return async (token) => (await jwtVerify(token, keys, options)).payload;
}

/** Under the secret that signs, or under the one it replaces. */
function secretVerifier(config: TokenConfig): VerifyToken {
  const options = { ...requiredClaims(config), algorithms: ["HS256"] };
  // Made once: given as bytes, a key would be imported anew for every token.
  const keys = jwtSecrets(config.JWT_SECRET ?? "").map((secret) =>
    createSecretKey(new TextEncoder().encode(secret)).toCryptoKey({ name: "HMAC", hash: "SHA-256" }, false, ["verify"]),
  );
  return async (token) => {
    for (const [i, key] of keys.entries()) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (error) {
        const othersLeft = i < keys.length - 1;
        if (!othersLeft || !(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      }
    }
    throw new Error("there is no secret to verify with");
  };
}

function refusal(error: unknown): Problem {
  if (error instanceof errors.JWTExpired) return new Problem("unauthenticated", "The token has expired.");
  if (error instanceof KeysUnavailable || !(error instanceof errors.JOSEError)) return unavailable();
  return new Problem("unauthenticated", "The token is not valid.");
}

export interface GuestSession {
  readonly token: string;
  readonly shopperId: string;
  readonly expiresAt: string;
}

/** Makes up a shopper and signs a token for them, one that this server takes. */
export async function createGuestSession(config: TokenConfig, nowMs: number): Promise<GuestSession> {
  const { JWT_SECRET = "", JWT_ISSUER, JWT_AUDIENCE } = config;
  const [signing = ""] = jwtSecrets(JWT_SECRET);
  const shopperId = `guest-${randomUUID()}`;
  const issuedAt = Math.floor(nowMs / 1000);
  const expiresAt = issuedAt + guestSessionSeconds;
  const token = new SignJWT()
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(shopperId)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt);
  if (JWT_ISSUER !== undefined) token.setIssuer(JWT_ISSUER);
  if (JWT_AUDIENCE !== undefined) token.setAudience(JWT_AUDIENCE);
  const signed = await token.sign(new TextEncoder().encode(signing));
  return { token: signed, shopperId, expiresAt: new Date(expiresAt * 1000).toISOString() };
}
