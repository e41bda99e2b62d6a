import type { LookupFunction } from "node:net";
import { expect, test } from "vitest";
import { sharedLookup } from "../src/shop-webhooks/private-addresses.ts";

test("a name server that hangs is asked one question at a time, and its answer goes to all that wait", () => {
  const asked: Parameters<LookupFunction>[2][] = [];
  const resolve = sharedLookup((_hostname, _options, callback) => void asked.push(callback));
  const answers: unknown[] = [];
  const ask = () => resolve("shop.example.com", { all: true }, (error, addresses) => answers.push(error ?? addresses));
  for (let i = 0; i < 3; i++) ask();
  expect(asked).toHaveLength(1);
  asked[0]?.(null, [{ address: "192.0.2.1", family: 4 }]);
  expect(answers).toEqual(Array(3).fill([{ address: "192.0.2.1", family: 4 }]));
  ask();
  expect(asked).toHaveLength(2);
  asked[1]?.(new Error("ENOTFOUND"), []);
  expect(answers.at(-1)).toEqual(new Error("ENOTFOUND"));
});
