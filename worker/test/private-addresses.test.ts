import { request } from "node:http";
import type { LookupFunction } from "node:net";
import { expect, test } from "vitest";
import { openConnections, sharedLookup } from "../src/shop-webhooks/private-addresses.ts";

type Answer = Parameters<LookupFunction>[2];

/** Resolves with why a request over these connections failed. */
const failure = (url: URL, resolve: LookupFunction, allowPrivate = false) =>
  new Promise<string>((failed) => {
    const agent = openConnections(url, allowPrivate, 10, resolve);
    request(url, { agent }).on("error", ({ message }) => failed(message));
  });

test("a name server that hangs is asked one question at a time, and its answer goes to all that wait", () => {
  const asked: Answer[] = [];
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

test.each([true, false])("connections ask for the shop's name once at a time (private targets: %s)", async (allow) => {
  const url = new URL("http://shop.example.com/");
  const asked: Answer[] = [];
  const agent = openConnections(url, allow, 10, (_hostname, _options, callback) => void asked.push(callback));
  const failures = Array.from(
    { length: 5 },
    () => new Promise<string>((failed) => request(url, { agent }).on("error", ({ message }) => failed(message))),
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(asked).toHaveLength(1);
  asked[0]?.(new Error("ENOTFOUND"), []);
  expect(await Promise.all(failures)).toEqual(Array(5).fill("ENOTFOUND"));
});

test.each(["127.0.0.1", "::7f00:1", "168.63.129.16", "169.254.169.254", "::ffff:a00:1", "fd00::1"])(
  "a name that leads to %s is not connected to, nor is one of several addresses",
  async (address) => {
    const family = address.includes(":") ? 6 : 4;
    const addresses = [
      { address: "93.184.216.34", family: 4 },
      { address, family },
    ];
    const found: LookupFunction = (_hostname, { all }, callback) =>
      all ? callback(null, addresses) : callback(null, address, family);
    expect(await failure(new URL("http://shop.example.com/"), found)).toMatch(/not allowed.*private IP address/);
  },
);
