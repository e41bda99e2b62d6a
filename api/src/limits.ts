import rateLimit from "@fastify/rate-limit";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import type { FastifyRequest } from "fastify";

import type { App } from "./app.ts";
import { clientAddress } from "./client-address.ts";
import type { ApiConfig } from "./config.ts";
import { countingStore } from "./counting-store.ts";
import { Problem } from "./problems.ts";
import type { IdentifyShopper } from "./shopper.ts";

type Limit = (request: FastifyRequest) => Promise<void>;
export interface Limits {
  readonly perAddress: Limit;
  /** For new guest sessions, which are what an address would get round the limit per shopper with. */
  readonly sessionsPerAddress: Limit;
  /** Needs `request.shopperId`, so it comes after the token check. */
  readonly perShopper: Limit;
}

/** A session lasts a day and presses Buy many times: of all that an address may ask for, this part may be new sessions. */
const sessionShare = 1 / 10;

const unlimited: Limit = async () => {};

/**
 * Limits per client address and per shopper, counted in Redis and so across all API servers. Where Redis is away nothing is
 * counted: a purchase is refused then anyway.
 */
export async function registerLimits(
  app: App,
  redis: RedisClient,
  keys: RedisKeys,
  config: Pick<ApiConfig, "SHOPPER_RATE_PER_MINUTE" | "ADDRESS_RATE_PER_MINUTE">,
): Promise<Limits> {
  await app.register(rateLimit, {
    global: false,
    store: countingStore(redis, `${keys.queues}:rate:`),
  });
  const limit = (max: number, keyOf: (request: FastifyRequest) => string): Limit => {
    if (max === 0) return unlimited;
    const check = app.createRateLimit({ skipOnError: true, max, timeWindow: 60_000, keyGenerator: keyOf });
    return async (request) => {
      if (redis.status !== "ready") return; // no use waiting for it here
      const result = await check(request);
      if (!result.isAllowed && result.isExceeded) {
        throw new Problem("rate_limited", "Slow down a little.", { retryAfterSeconds: result.ttlInSeconds });
      }
    };
  };
  const addressRate = config.ADDRESS_RATE_PER_MINUTE;
  return {
    perAddress: limit(addressRate, (request) => `address:${clientAddress(request)}`),
    sessionsPerAddress: limit(Math.ceil(addressRate * sessionShare), (request) => `sessions:${clientAddress(request)}`),
    perShopper: limit(config.SHOPPER_RATE_PER_MINUTE, (request) => `shopper:${request.shopperId}`),
  };
}

/** Lets a shopper's request in: not too many from its address, a valid token, not too many of its shopper. One hook, one after the other. */
export function admitShopper(limits: Limits, identify: IdentifyShopper) {
  return async (request: FastifyRequest): Promise<void> => {
    if (limits.perAddress !== unlimited) await limits.perAddress(request);
    request.shopperId = await identify(request);
    if (limits.perShopper !== unlimited) await limits.perShopper(request);
  };
}
