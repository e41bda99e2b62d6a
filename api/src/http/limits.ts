import rateLimit from "@fastify/rate-limit";
import type { Store } from "@holdfast/shared/redis.ts";
import type { FastifyRequest, onRequestHookHandler } from "fastify";
import type { ApiConfig } from "../config.ts";
import type { PurchaseLimits } from "../orders/claim-orders.ts";
import { clientAddress } from "./client-address.ts";
import { countingStore, requestCounter } from "./counting-store.ts";
import type { App } from "./fastify-app.ts";
import { type LimitName, slowDown } from "./problems.ts";
import type { IdentifyShopper } from "./shopper.ts";
import { windowCounter } from "./window-counter.ts";

type Limit = (request: FastifyRequest) => Promise<void>;
/** Waits for nothing. @throws Problem 429 */
type InstantLimit = (request: FastifyRequest) => void;

export interface Limits {
  readonly perAddress: Limit;
  /**
   * For new guest sessions, with which an address could get round the limit per shopper.
   */
  readonly sessionsPerAddress: Limit;
  /** Needs `request.shopperId`, so it comes after the token check. */
  readonly perShopper: Limit;
  readonly readsPerAddress: InstantLimit;
  /** Needs `request.shopperId`, too. */
  readonly readsPerShopper: InstantLimit;
  /** For purchases as they come, most of which a crowd's server refuses out of its memory. */
  readonly attemptsPerAddress: InstantLimit;
  /** Needs `request.shopperId`, too. */
  readonly attemptsPerShopper: InstantLimit;
  /**
   * For purchases that are going to be put in line: counted there, with no question to Redis of its
   * own.
   */
  readonly purchases: PurchaseLimits;
}

/**
 * A session lasts a day and presses Buy many times: of all that an address may ask for, this part
 * may be new sessions.
 */
const sessionShare = 1 / 10;

/**
 * Who follows an order looks every second or two, and has the item on another page; who is refused
 * presses Buy again.
 */
const readsPerPurchase = 10;

const windowMs = 60_000;
const unlimited: Limit = async () => {};

/**
 * Limits per client address and per shopper. What puts an order in line, changes one or opens a
 * session is counted in Redis and so across all API servers. What a server answers out of its
 * memory is counted in each server: reads, and purchases before it is known whether they can be put
 * in line at all. That limit protects this server and its connections: an item is read without
 * Redis, and while Redis is unavailable every read goes to Postgres, which is when the limit
 * matters most.
 */
export async function registerLimits(
  app: App,
  { redis, keys }: Store,
  config: Pick<ApiConfig, "SHOPPER_RATE_PER_MINUTE" | "ADDRESS_RATE_PER_MINUTE">,
): Promise<Limits> {
  const count = requestCounter(redis);
  await app.register(rateLimit, { global: false, store: countingStore(count, keys) });
  const sharedLimit = (name: LimitName, max: number, keyOf: (request: FastifyRequest) => string): Limit => {
    if (max === 0) return unlimited;
    const check = app.createRateLimit({ skipOnError: true, max, timeWindow: windowMs, keyGenerator: keyOf });
    return async (request) => {
      if (redis.status !== "ready") return; // no use waiting for it here
      const result = await check(request);
      if (!result.isAllowed && result.isExceeded) throw slowDown(result.ttlInSeconds * 1000, name, max);
    };
  };
  const { ADDRESS_RATE_PER_MINUTE: addressRate, SHOPPER_RATE_PER_MINUTE: shopperRate } = config;
  const shopperOf = (request: FastifyRequest) => request.shopperId;
  const addressReads = addressRate * readsPerPurchase;
  const shopperReads = shopperRate * readsPerPurchase;
  return {
    perAddress: sharedLimit("address", addressRate, (request) => `address:${clientAddress(request)}`),
    sessionsPerAddress: sharedLimit(
      "sessions",
      Math.ceil(addressRate * sessionShare),
      (request) => `sessions:${clientAddress(request)}`,
    ),
    perShopper: sharedLimit("shopper", shopperRate, (request) => `shopper:${request.shopperId}`),
    readsPerAddress: instantLimit("address", addressReads, clientAddress),
    readsPerShopper: instantLimit("shopper", shopperReads, shopperOf),
    attemptsPerAddress: instantLimit("address", addressReads, clientAddress),
    attemptsPerShopper: instantLimit("shopper", shopperReads, shopperOf),
    purchases: { perAddress: addressRate, perShopper: shopperRate, windowMs, count },
  };
}

/** @param max 0 for no limit */
function instantLimit(name: LimitName, max: number, keyOf: (request: FastifyRequest) => string): InstantLimit {
  if (max === 0) return () => {};
  const count = windowCounter(max, windowMs);
  return (request) => {
    const remainingMs = count(keyOf(request));
    if (remainingMs !== null) throw slowDown(remainingMs, name, max);
  };
}

/**
 * Lets a shopper's request in: not too many from its address, a valid token, not too many of its
 * shopper. One hook, one after the other.
 */
export function admitShopper(limits: Limits, identify: IdentifyShopper) {
  return async (request: FastifyRequest): Promise<void> => {
    if (limits.perAddress !== unlimited) await limits.perAddress(request);
    request.shopperId = await identify(request);
    if (limits.perShopper !== unlimited) await limits.perShopper(request);
  };
}

/** Lets a shopper look: as `admitShopper`, by the limits for reads. */
export function admitReader({ readsPerAddress, readsPerShopper }: Limits, identify: IdentifyShopper) {
  return admit(readsPerAddress, identify, readsPerShopper);
}

/**
 * Lets a purchase in to where it is looked at; it is counted in all servers when it is going to be
 * put in line.
 */
export function admitBuyer({ attemptsPerAddress, attemptsPerShopper }: Limits, identify: IdentifyShopper) {
  return admit(attemptsPerAddress, identify, attemptsPerShopper);
}

/** One hook for all of it, which goes on at once where nothing has to be waited for. */
function admit(perAddress: InstantLimit, identify: IdentifyShopper, perShopper: InstantLimit): onRequestHookHandler {
  return (request, _reply, done) => {
    const identified = (shopperId: string) => {
      request.shopperId = shopperId;
      perShopper(request);
    };
    try {
      perAddress(request);
      const shopperId = identify(request);
      if (typeof shopperId !== "string") {
        shopperId.then(identified).then(() => done(), done);
        return;
      }
      identified(shopperId);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
}
