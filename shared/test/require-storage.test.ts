import { expect, test } from "vitest";
import { addressesOf } from "../src/require-storage.ts";

test.each([
  ["postgres://u:s3cret@db/x", ["db:5432"]],
  ["postgres://u:p,w@127.0.0.1:1/x", ["127.0.0.1:1"]],
  ["postgres://u@db:1/x?options=-c%20search_path=a,b", ["db:1"]],
  ["postgres://[::1]:1/x", ["[::1]:1"]],
  ["postgres://u@/x?host=/var/run/postgresql", null],
  ["postgres://%2Fvar%2Frun%2Fpostgresql/x", null],
  ["postgres://localhost/x?host=/sock", null],
] as const)("Postgres at %s is seen at %o", (url, addresses) => {
  expect(addressesOf("DATABASE_URL", url)).toEqual(addresses);
});

test.each([
  ["redis://:s3cret@cache", ["cache:6379"]],
  ["rediss://a:1, rediss://b", ["a:1", "b:6379"]],
  ["redis+sentinel://:s3cret@a:1, b/shop?sentinelPassword=s3cret", ["a:1", "b:26379"]],
] as const)("Redis at %s is seen at %o", (url, addresses) => {
  expect(addressesOf("REDIS_URL", url)).toEqual(addresses);
});
