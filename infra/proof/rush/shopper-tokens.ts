import { createHmac, randomUUID } from "node:crypto";

const lifetimeSeconds = 3 * 3_600;

/**
 * Tokens of made-up shoppers, signed when they are asked for: a million of them need not be kept.
 * HS256 by hand, since a library that signs asynchronously would cost the load generator more than
 * a request.
 */
export function signedTokens(jwtSecret: string): (shopper: number) => string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = encode({ alg: "HS256", typ: "JWT" });
  const run = randomUUID().slice(0, 8);
  const exp = Math.floor(Date.now() / 1_000) + lifetimeSeconds;
  return (shopper) => {
    const signed = `${head}.${encode({ sub: `rush-${run}-shopper-${shopper}`, exp })}`;
    return `${signed}.${createHmac("sha256", jwtSecret).update(signed).digest("base64url")}`;
  };
}

/** As many as fit comfortably; who wants more gives the secret. */
export const maxFetchedTokens = 100_000;

/** Tokens from a running system that gives out guest sessions. */
export async function fetchTokens(url: string, count: number): Promise<(shopper: number) => string> {
  const tokens: string[] = [];
  while (tokens.length < count) {
    const size = Math.min(100, count - tokens.length);
    const sessions = Array.from({ length: size }, async () => {
      const response = await fetch(`${url}/sessions`, { method: "POST" });
      if (response.status === 429)
        throw new Error(
          "Its guest sessions are limited by address: set JWT_SECRET here, or ADDRESS_RATE_PER_MINUTE=0 on the API servers meanwhile",
        );
      if (response.status !== 201) throw new Error(`POST /sessions: ${response.status} ${await response.text()}`);
      return ((await response.json()) as { token: string }).token;
    });
    tokens.push(...(await Promise.all(sessions)));
  }
  return (shopper) => tokens[shopper] ?? "";
}
