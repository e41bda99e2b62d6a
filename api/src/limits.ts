import rateLimit from "@fastify/rate-limit";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";
import type { FastifyRequest } from "fastify";

import type { App } from "./app.ts";
import { clientAddress } from "./client-address.ts";
import type { ApiConfig } from "./config.ts";
import { countingStore } from "./counting-store.ts";
import { Problem } from "./problems.ts";
import type { IdentifyShopper } from "./shopper.ts";
import { windowCounter } from "./window-counter.ts";

type Limit = (request: FastifyRequest) => Promise<void>;
export interface Limits {
  readonly perAddress: Limit;
  /** For new guest sessions, which are what an address would get round the limit per shopper with. */
  readonly sessionsPerAddress: Limit;
  /** Needs `request.shopperId`, so it comes after the token check. */
  readonly perShopper: Limit;
  readonly readsPerAddress: Limit;
  /** Needs `request.shopperId`, too. */
  readonly readsPerShopper: Limit;
}

/** A session lasts a day and presses Buy many times: of all that an address may ask for, this part may be new sessions. */
const sessionShare = 1 / 10;

/** Who follows an order looks every second or two, and has the item on another page. */
const readsPerPurchase = 10;

const windowMs = 60_000;
const unlimited: Limit = async () => {};

/**
 * Limits per client address and per shopper. Purchases and changes are counted in Redis and so
 * across all API servers; where Redis is unavailable nothing is counted: a purchase is refused then
 * anyway. Reads are counted in each server: their limit protects this server and its connections,
 * an item is read without Redis, and while Redis is unavailable every read goes to Postgres, which
 * is when the limit matters most.
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
    const check = app.createRateLimit({ skipOnError: true, max, timeWindow: windowMs, keyGenerator: keyOf });
    return async (request) => {
      if (redis.status !== "ready") return; // no use waiting for it here
      const result = await check(request);
      if (!result.isAllowed && result.isExceeded) {
        throw slowDown(result.ttlInSeconds);
      }
    };
  };
  const readLimit = (max: number, keyOf: (request: FastifyRequest) => string): Limit => {
    if (max === 0) return unlimited;
    const count = windowCounter(max, windowMs);
    return async (request) => {
      const remainingMs = count(keyOf(request));
      if (remainingMs !== null) throw slowDown(Math.ceil(remainingMs / 1000));
    };
  };
  const addressRate = config.ADDRESS_RATE_PER_MINUTE;
  return {
    perAddress: limit(addressRate, (request) => `address:${clientAddress(request)}`),
    sessionsPerAddress: limit(Math.ceil(addressRate * sessionShare), (request) => `sessions:${clientAddress(request)}`),
    perShopper: limit(config.SHOPPER_RATE_PER_MINUTE, (request) => `shopper:${request.shopperId}`),
    readsPerAddress: readLimit(addressRate * readsPerPurchase, clientAddress),
    readsPerShopper: readLimit(config.SHOPPER_RATE_PER_MINUTE * readsPerPurchase, ({ shopperId }) => shopperId),
  };
}

function slowDown(retryAfterSeconds: number): Problem {
  return new Problem("rate_limited", "Slow down a little.", { retryAfterSeconds });
}

/** Lets a shopper's request in: not too many from its address, a valid token, not too many of its shopper. One hook, one after the other. */
export function admitShopper(limits: Limits, identify: IdentifyShopper) {
  return async (request: FastifyRequest): Promise<void> => {
    if (limits.perAddress !== unlimited) await limits.perAddress(request);
    request.shopperId = await identify(request);
    if (limits.perShopper !== unlimited) await limits.perShopper(request);
  };
}

/** Lets a shopper look: as `admitShopper`, by the limits for reads. */
export function admitReader(limits: Limits, identify: IdentifyShopper) {
  return async (request: FastifyRequest): Promise<void> => {
    if (limits.readsPerAddress !== unlimited) await limits.readsPerAddress(request);
    request.shopperId = await identify(request);
    if (limits.readsPerShopper !== unlimited) await limits.readsPerShopper(request);
  };
}
