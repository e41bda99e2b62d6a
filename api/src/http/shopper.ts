import { randomUUID } from "node:crypto";
import type { Logger } from "@holdfast/shared/log.ts";
import { createSigner, createVerifier, TokenError } from "fast-jwt";
import type { FastifyRequest } from "fastify";
import { errors, type JWTPayload, jwtVerify } from "jose";
import { type ApiConfig, jwtSecrets } from "../config.ts";
import { Problem, unavailable } from "./problems.ts";
import { KeysUnavailable, publishedKeys } from "./published-keys.ts";

/**
 * Says whose request it is: the `sub` of a valid token. At once under a secret of ours, later under
 * published keys.
 * @throws Problem `unauthenticated` for every other request
 */
export type IdentifyShopper = (request: FastifyRequest) => string | Promise<string>;

const guestSessionSeconds = 24 * 3600; // as long as an Idempotency-Key is remembered, and longer than any sale

// The id goes into Redis keys and Postgres: no control characters (Postgres takes no NUL),
// nothing half of a pair.
function isShopperId(sub: unknown): sub is string {
  return typeof sub === "string" && sub.length >= 1 && sub.length <= 255 && sub.isWellFormed() && !/\p{Cc}/u.test(sub);
}

export type TokenConfig = Pick<ApiConfig, "JWT_SECRET" | "JWKS_URL" | "JWT_ISSUER" | "JWT_AUDIENCE">;

/**
 * Tokens are verified with exactly one kind of key: HS256 under JWT_SECRET, or the published keys
 * of JWKS_URL with their asymmetric algorithms. So a token cannot choose how it is checked (RFC
 * 8725, section 3.1), and `alg: none` never passes. Issuer and audience must be ours where they are
 * set (sections 3.8 and 3.9).
 */
export function shopperIdentifier(config: TokenConfig, log: Logger): IdentifyShopper {
  const verify =
    config.JWKS_URL === undefined ? secretVerifier(config) : publishedKeyVerifier(config, config.JWKS_URL, log);
  return (request) => {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]*)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined) throw new Problem("unauthenticated", "Send a shopper token: Authorization: Bearer …");
    const payload = verify(token);
    return payload instanceof Promise ? payload.then(shopperOf) : shopperOf(payload);
  };
}

function shopperOf({ sub }: JWTPayload): string {
  if (isShopperId(sub)) return sub;
  throw new Problem("unauthenticated", "The token names no shopper (sub).");
}

/** @throws Problem where the token is not to be believed, or nobody can tell */
type VerifyToken = (token: string) => JWTPayload | Promise<JWTPayload>;

const publishedAlgorithms = ["RS", "PS", "ES"].flatMap((kind) => [`${kind}256`, `${kind}384`, `${kind}512`]);

function publishedKeyVerifier({ JWT_ISSUER, JWT_AUDIENCE }: TokenConfig, url: string, log: Logger): VerifyToken {
  const keys = publishedKeys(url, log);
  const options = {
    requiredClaims: ["exp"],
    ...(JWT_ISSUER !== undefined && { issuer: JWT_ISSUER }),
    ...(JWT_AUDIENCE !== undefined && { audience: JWT_AUDIENCE }),
    algorithms: [...publishedAlgorithms, "EdDSA", "Ed25519"],
  };
  return async (token) => {
    try {
      return (await jwtVerify(token, keys, options)).payload;
    } catch (error) {
      if (error instanceof KeysUnavailable || !(error instanceof errors.JOSEError)) throw unavailable();
      throw invalidToken(error instanceof errors.JWTExpired);
    }
  };
}

/**
 * Under the secret that signs, or under the one it replaces. Checked on this thread: a hash of so
 * few bytes takes a few microseconds, and WebCrypto's way through the thread pool takes ten times
 * as much of the processor.
 */
function secretVerifier({ JWT_SECRET = "", JWT_ISSUER, JWT_AUDIENCE }: TokenConfig): VerifyToken {
  const options = {
    algorithms: ["HS256" as const],
    // The library checks issuer and audience only of tokens that have them.
    requiredClaims: [
      "exp",
      ...(JWT_ISSUER === undefined ? [] : ["iss"]),
      ...(JWT_AUDIENCE === undefined ? [] : ["aud"]),
    ],
    ...(JWT_ISSUER !== undefined && { allowedIss: JWT_ISSUER }),
    ...(JWT_AUDIENCE !== undefined && { allowedAud: JWT_AUDIENCE }),
  };
  const verifiers = jwtSecrets(JWT_SECRET).map((key) => createVerifier<string>({ ...options, key }));
  return (token) => {
    for (const [i, verify] of verifiers.entries()) {
      try {
        return verify(token) as JWTPayload;
      } catch (error) {
        // Whatever a stranger's token makes the library throw, it is the token's fault.
        const code = error instanceof TokenError ? error.code : null;
        const othersLeft = i < verifiers.length - 1;
        if (!othersLeft || code !== TokenError.codes.invalidSignature)
          throw invalidToken(code === TokenError.codes.expired);
      }
    }
    throw new Error("there is no secret to verify with");
  };
}

function invalidToken(expired: boolean): Problem {
  return new Problem("unauthenticated", expired ? "The token has expired." : "The token is not valid.");
}

export interface GuestSession {
  readonly token: string;
  readonly shopperId: string;
  readonly expiresAt: string;
}

/** Makes up a shopper and signs a token for them, one that this server takes. */
export function createGuestSession(config: TokenConfig, nowMs: number): GuestSession {
  const { JWT_SECRET = "", JWT_ISSUER, JWT_AUDIENCE } = config;
  const [key = ""] = jwtSecrets(JWT_SECRET);
  const shopperId = `guest-${randomUUID()}`;
  const iat = Math.floor(nowMs / 1000);
  const exp = iat + guestSessionSeconds;
  const sign = createSigner({ key, algorithm: "HS256" });
  const token = sign({
    sub: shopperId,
    iat,
    exp,
    ...(JWT_ISSUER !== undefined && { iss: JWT_ISSUER }),
    ...(JWT_AUDIENCE !== undefined && { aud: JWT_AUDIENCE }),
  });
  return { token, shopperId, expiresAt: new Date(exp * 1000).toISOString() };
}
