import { expect, test } from "vitest";
import { readWorkerConfig, rolesOf } from "../src/config.ts";

const good = { DATABASE_URL: "postgres://h/d", REDIS_URL: "redis://h", STRIPE_SECRET_KEY: "sk_test_x" };

test("a worker's defaults are the documented ones, and without STRIPE_API_BASE it talks to Stripe itself", () => {
  expect(readWorkerConfig(good)).toEqual({
    HOST: "127.0.0.1",
    ...good,
    REDIS_PREFIX: "",
    REQUIRE_DURABLE_REDIS: "off",
    PURCHASE_LANES: 4,
    WORKER_ROLES: "reserve,charge,webhook,sweep",
    CHARGE_CONCURRENCY: 50,
    CHARGE_RATE_PER_SECOND: 25,
    SHOP_WEBHOOK_ALLOW_PRIVATE: "off",
    LOG_LEVEL: "info",
  });
});

test("a worker without Stripe's key does not start", () => {
  expect(() => readWorkerConfig({ ...good, STRIPE_SECRET_KEY: "" })).toThrow(/^STRIPE_SECRET_KEY is missing/);
});

test("only a worker that charges or sweeps needs Stripe's key", () => {
  const { STRIPE_SECRET_KEY: _, ...keyless } = good;
  for (const roles of ["reserve", "webhook", "reserve, webhook"]) {
    expect(readWorkerConfig({ ...keyless, WORKER_ROLES: roles }).STRIPE_SECRET_KEY).toBeUndefined();
  }
  for (const roles of ["charge", "sweep", "reserve,sweep"]) {
    expect(() => readWorkerConfig({ ...keyless, WORKER_ROLES: roles })).toThrow(/^STRIPE_SECRET_KEY is missing/);
  }
});

test("roles are named one by one, with or without blanks; what is none is refused", () => {
  expect([...rolesOf(readWorkerConfig({ ...good, WORKER_ROLES: " charge ,reserve" }).WORKER_ROLES)]).toEqual([
    "reserve",
    "charge",
  ]);
  for (const roles of ["reserves", "reserve;charge", "reserve,", "all"]) {
    expect(() => readWorkerConfig({ ...good, WORKER_ROLES: roles })).toThrow(/^WORKER_ROLES does not fit: .*reserve/);
  }
});
