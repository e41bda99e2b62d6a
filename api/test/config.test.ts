import { describe, expect, test } from "vitest";
import { jwtSecrets, readApiConfig } from "../src/config.ts";

const good = {
  DATABASE_URL: "postgres://h/d",
  REDIS_URL: "redis://h",
  JWT_SECRET: "a s3cret of thirty-two bytes or more",
};
const published = { JWT_SECRET: "", JWKS_URL: "https://id.example/keys" };

describe("the API's configuration", () => {
  test("has the documented defaults", () => {
    expect(readApiConfig(good)).toEqual({
      ...good,
      ACCEPT_REPLICAS: 0,
      HOST: "127.0.0.1",
      PORT: 3000,
      REDIS_PREFIX: "",
      REQUIRE_DURABLE_REDIS: "off",
      PURCHASE_LANES: 4,
      GUEST_SESSIONS: "off",
      SHOPPER_RATE_PER_MINUTE: 120,
      ADDRESS_RATE_PER_MINUTE: 1200,
      MAX_LINE: 1_000_000,
      CHARGE_RATE_PER_SECOND: 25,
      LOG_LEVEL: "info",
    });
  });

  test.each([
    [{ JWT_SECRET: "" }, /^JWT_SECRET or JWKS_URL is missing/],
    [{ JWKS_URL: "https://id.example/keys" }, /^JWT_SECRET and JWKS_URL are both set/],
    [{ ...published, JWT_AUDIENCE: "shop" }, /^JWT_ISSUER is missing/],
    [{ ...published, JWT_ISSUER: "https://id.example" }, /^JWT_AUDIENCE is missing/],
    [
      { ...published, JWT_ISSUER: "i", JWT_AUDIENCE: "a", GUEST_SESSIONS: "on" },
      /^GUEST_SESSIONS is on without JWT_SECRET/,
    ],
    ...["shop.example", "https://Shop.example", "https://shop.example/", "https://shop.example:443", "*"].map(
      (origin): [object, RegExp] => [{ CORS_ORIGINS: `https://a.example,${origin}` }, /^CORS_ORIGINS does not fit/],
    ),
    [{ JWT_SECRET: "s3cret of thirty-one bytes only" }, /^JWT_SECRET is shorter than 32 bytes/],
    [{ JWT_SECRET: `${good.JWT_SECRET},` }, /^JWT_SECRET is shorter than 32 bytes/],
    [{ JWT_SECRET: [1, 2, 3].map((n) => `${good.JWT_SECRET}${n}`).join() }, /^JWT_SECRET holds more than two/],
    [{ OPS_PASSWORD: "s3cret of 1" }, /^OPS_PASSWORD does not fit: .* 12 characters or more/],
    [{ OPS_USERS: "ada:act:s3cret", OPS_PASSWORD: "of operations" }, /^OPS_USERS: the entry of ada has no scrypt hash/],
    [{ OPS_USERS: "ada:look:s3cret" }, /^OPS_USERS needs OPS_PASSWORD/],
    [{ GUEST_SESSIONS: "yes" }, /^GUEST_SESSIONS/],
    [{ PORT: "70000" }, /^PORT/],
    [{ TRUST_PROXY: "everyone" }, /^TRUST_PROXY/],
  ])("%o is refused", (change, message) => {
    expect(() => readApiConfig({ ...good, ...change })).toThrow(message);
    expect(() => readApiConfig({ ...good, ...change })).not.toThrow(/s3cret/);
  });

  test("two secrets are taken while one replaces the other", () => {
    expect(
      jwtSecrets(readApiConfig({ ...good, JWT_SECRET: `new ${good.JWT_SECRET}, ${good.JWT_SECRET}` }).JWT_SECRET ?? ""),
    ).toEqual([`new ${good.JWT_SECRET}`, good.JWT_SECRET]);
  });
});
