import { expect, test } from "vitest";
import { hostAndPort, parseRedisAddress, redisAddressPattern } from "../src/redis-address.ts";

const access = { username: "shop", password: "p@ss:w,rd", tls: false };

test.each([
  ["redis://cache", { kind: "single", url: "redis://cache", addresses: ["cache:6379"] }],
  ["rediss://u:p@cache:1/2", { kind: "single", url: "rediss://u:p@cache:1/2", addresses: ["cache:1"] }],
  ["redis://shop:p%40ss%3Aw%2Crd@a:1, redis://b", { kind: "cluster", addresses: ["a:1", "b:6379"], access }],
  ["rediss://a,rediss://[::1]:2", { kind: "cluster", addresses: ["a:6379", "[::1]:2"], access: { tls: true } }],
  [
    "redis+sentinel://a:1,b/shop-1",
    { kind: "sentinel", addresses: ["a:1", "b:26379"], masterName: "shop-1", access: { tls: false } },
  ],
  [
    "redis+sentinel://shop:p%40ss%3Aw%2Crd@a,[::1]:3/shop?sentinelPassword=t%3F+p",
    { kind: "sentinel", addresses: ["a:26379", "[::1]:3"], masterName: "shop", access, sentinelPassword: "t?+p" },
  ],
  [
    "rediss+sentinel://:secret@a/shop",
    { kind: "sentinel", addresses: ["a:26379"], masterName: "shop", access: { password: "secret", tls: true } },
  ],
])("REDIS_URL=%s is read", (url, address) => {
  expect(new RegExp(redisAddressPattern).test(url)).toBe(true);
  expect(parseRedisAddress(url)).toEqual(address);
});

test.each([
  "cache:6379",
  "redis+sentinel://a:1",
  "redis+sentinel://a:1/",
  "redis+sentinel:///shop",
  "redis+sentinel://a:1,redis://b/shop",
  "redis://a,b",
  "redis+sentinel://a/shop?db=1",
])("REDIS_URL=%s is refused", (url) => {
  expect(new RegExp(redisAddressPattern).test(url)).toBe(false);
});

test("an address is a host and a port, IPv6 too", () => {
  expect(hostAndPort("cache:1")).toEqual({ host: "cache", port: 1 });
  expect(hostAndPort("[::1]:2")).toEqual({ host: "::1", port: 2 });
});
