import { describe, expect, test } from "vitest";
import { readApiConfig } from "../src/config.ts";

const good = { DATABASE_URL: "postgres://h/d", REDIS_URL: "redis://h", JWT_SECRET: "s3cret" };

describe("the API's configuration", () => {
  test("has the documented defaults", () => {
    expect(readApiConfig(good)).toEqual({
      ...good,
      HOST: "127.0.0.1",
      PORT: 3000,
      REDIS_PREFIX: "",
      REQUIRE_DURABLE_REDIS: "off",
      PURCHASE_LANES: 4,
      GUEST_SESSIONS: "off",
      SHOPPER_RATE_PER_MINUTE: 120,
      ADDRESS_RATE_PER_MINUTE: 1200,
      MAX_LINE: 1_000_000,
      LOG_LEVEL: "info",
    });
  });

  test.each([
    [{ JWT_SECRET: "" }, /^JWT_SECRET or JWKS_URL is missing/],
    [{ JWKS_URL: "https://id.example/keys" }, /^JWT_SECRET and JWKS_URL are both set/],
    [
      { JWT_SECRET: "", JWKS_URL: "https://id.example/keys", GUEST_SESSIONS: "on" },
      /^GUEST_SESSIONS is on without JWT_SECRET/,
    ],
    [{ GUEST_SESSIONS: "yes" }, /^GUEST_SESSIONS/],
    [{ PORT: "70000" }, /^PORT/],
    [{ TRUST_PROXY: "everyone" }, /^TRUST_PROXY/],
  ])("%o is refused", (change, message) => {
    expect(() => readApiConfig({ ...good, ...change })).toThrow(message);
  });
});
