import { expect, test } from "vitest";
import { readWorkerConfig } from "../src/config.ts";

const good = { DATABASE_URL: "postgres://h/d", REDIS_URL: "redis://h", STRIPE_SECRET_KEY: "sk_test_x" };

test("a worker's defaults are the documented ones, and without STRIPE_API_BASE it talks to Stripe itself", () => {
  expect(readWorkerConfig(good)).toEqual({
    ...good,
    REDIS_PREFIX: "",
    REQUIRE_DURABLE_REDIS: "off",
    PURCHASE_LANES: 4,
    CHARGE_CONCURRENCY: 50,
    CHARGE_RATE_PER_SECOND: 25,
    LOG_LEVEL: "info",
  });
});

test("a worker without Stripe's key does not start", () => {
  expect(() => readWorkerConfig({ ...good, STRIPE_SECRET_KEY: "" })).toThrow(/^STRIPE_SECRET_KEY is missing/);
});
