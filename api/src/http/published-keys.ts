import type { Logger } from "@holdfast/shared/log.ts";
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from "jose";

const fetchTimeoutMs = 3_000; // the longest that a shopper whose token names an unknown key waits for us to look
const cooldownMs = 5_000; // how often strangers' made-up keys can have us ask the key server, and how late a new key may be
const reloadEveryMs = 10 * 60_000; // how long a key that was withdrawn may be good here
const retryEveryMs = 60_000; // how often a key server that does not answer is asked for keys that may have been withdrawn
const restAfterFailureMs = 1_000; // how long unknown keys are refused at once, so that a crowd's requests do not pile up

/**
 * The key server does not say which keys there are, so nothing can be said of a token under a key
 * unknown here.
 */
export class KeysUnavailable extends Error {
  constructor(cause: unknown) {
    super("The key server gives no keys", { cause });
    this.name = "KeysUnavailable";
  }
}

/**
 * The keys published under `url`, asked for again when a token names an unknown one, and every ten
 * minutes. While the key server is unavailable, those that are known stay good.
 * @returns for jose: the key of a token @throws KeysUnavailable where only the key server could
 *   tell
 */
export function publishedKeys(url: string, log: Logger): JWTVerifyGetKey {
  let triedAtMs = Number.NEGATIVE_INFINITY;
  let failed: { readonly atMs: number; readonly error: unknown } | null = null;
  const fetchKeys = async (...request: Parameters<typeof fetch>): Promise<Response> => {
    if (failed && Date.now() - failed.atMs < restAfterFailureMs) throw failed.error;
    triedAtMs = Date.now();
    try {
      const response = await fetch(...request);
      await requireKeys(response.clone());
      failed = null;
      return response;
    } catch (error) {
      failed = { atMs: Date.now(), error };
      throw error;
    }
  };
  const keys = createRemoteJWKSet(new URL(url), {
    timeoutDuration: fetchTimeoutMs,
    cooldownDuration: cooldownMs,
    cacheMaxAge: Number.POSITIVE_INFINITY, // jose would refuse known keys when they cannot be reloaded in time; we reload beside
    [customFetch]: fetchKeys,
  });
  const reloadBeside = () => {
    if (keys.reloading || Date.now() - triedAtMs < (failed ? retryEveryMs : reloadEveryMs)) return;
    keys.reload().catch((error: unknown) => log.warn({ err: error }, "JWKS_URL gives no keys; those known stay good"));
  };
  return async (header, token) => {
    try {
      const key = await keys(header, token);
      reloadBeside();
      return key;
    } catch (error) {
      throw isAboutToken(error) ? error : new KeysUnavailable(error);
    }
  };
}

/** jose would take an empty set, as a sick server may send it, in place of the known keys. */
async function requireKeys(response: Response): Promise<void> {
  const { keys } = (await response.json()) as { keys?: unknown[] };
  if (!response.ok || !Array.isArray(keys) || keys.length === 0) throw new Error("No keys in the answer of JWKS_URL");
}

function isAboutToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}
