import fastifyCors from "@fastify/cors";
import { corsOrigins } from "../config.ts";
import { pathOf } from "./allowed-methods.ts";
import type { App } from "./fastify-app.ts";

/** What a page needs to read of an answer beside its body. */
const exposedHeaders = [
  "ETag",
  "Location",
  "Preference-Applied",
  "RateLimit-Limit",
  "RateLimit-Remaining",
  "RateLimit-Reset",
  "Retry-After",
];
const allowedHeaders = ["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Prefer"];
const maxAgeSeconds = 7_200; // the longest that every browser keeps a preflight

/** For these, pages of other origins are strangers: operations, and the provider's events. */
const closed = /^\/(ops|webhooks)(\/|$)/;

/**
 * Lets pages of other origins ask (https://fetch.spec.whatwg.org/#http-cors-protocol). Without
 * cookies: a shopper's token is sent by the page itself.
 * @param setting of CORS_ORIGINS; without it, no other origin is let in
 */
export async function shareWithOrigins(app: App, setting: string | undefined): Promise<void> {
  if (setting === undefined) return;
  const origin = corsOrigins(setting);
  const options = {
    exposedHeaders,
    allowedHeaders,
    maxAge: maxAgeSeconds,
    strictPreflight: false,
    methods: ["GET", "HEAD", "POST", "DELETE"],
  };
  await app.register(fastifyCors, {
    delegator: ({ url }, done) => done(null, { ...options, origin: closed.test(pathOf(url)) ? false : origin }),
    hideOptionsRoute: true,
  });
}
