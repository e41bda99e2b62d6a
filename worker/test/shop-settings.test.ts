import { expect, test } from "vitest";
import { readWorkerConfig } from "../src/config.ts";
import { shopOf } from "../src/shop-webhooks/shop-settings.ts";

const secret = `whsec_${Buffer.alloc(24, 1).toString("base64")}`;
const other = `whsec_${Buffer.alloc(64, 2).toString("base64")}`;
const base = { DATABASE_URL: "postgres://h/d", REDIS_URL: "redis://h", WORKER_ROLES: "webhook" };
const read = (more: Record<string, string>) => readWorkerConfig({ ...base, ...more });
const complete = { SHOP_WEBHOOK_URL: "https://shop.example.com/holdfast", SHOP_WEBHOOK_SECRET: secret };

test("a worker with the role webhook delivers where it has an address and a secret, and starts without both", () => {
  expect(shopOf(read({}))).toBeNull();
  expect(shopOf(read(complete))).toEqual({
    url: new URL(complete.SHOP_WEBHOOK_URL),
    secrets: [secret],
    allowPrivate: false,
  });
});

test("one of the two alone is refused, but only where the role is on", () => {
  for (const [name, value] of Object.entries(complete)) {
    expect(() => read({ [name]: value })).toThrow(/^SHOP_WEBHOOK_(URL|SECRET) is missing: [^\n]+$/);
    expect(() => read({ [name]: value, WORKER_ROLES: "reserve" })).not.toThrow();
  }
});

test("two secrets are both used while one is being replaced", () => {
  expect(shopOf(read({ ...complete, SHOP_WEBHOOK_SECRET: `${secret}, ${other}` }))?.secrets).toEqual([secret, other]);
});

test.each([
  secret.slice(6),
  "whsec_",
  "whsec_c2hvcnQ=",
  `whsec_${Buffer.alloc(23).toString("base64")}`,
  `whsec_${Buffer.alloc(65).toString("base64")}`,
  `${secret},`,
  `${secret},${secret},${secret}`,
  `${secret}!`,
])("the secret %j is refused in one line that does not show it", (wrong) => {
  expect(() => read({ ...complete, SHOP_WEBHOOK_SECRET: wrong })).toThrow(
    /^SHOP_WEBHOOK_SECRET does not fit: whsec_ and 24 to 64 bytes in base64; two, comma-separated, [^\n]+$/,
  );
});

test.each(["shop.example.com", "ftp://shop.example.com", "https://", "https://user:password@shop.example.com"])(
  "the address %s is refused in one line that does not show it",
  (wrong) => {
    expect(() => read({ ...complete, SHOP_WEBHOOK_URL: wrong })).toThrow(/^SHOP_WEBHOOK_URL does not fit: [^\n]+$/);
  },
);

test.each([
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0x7f.1",
  "0.0.0.0",
  "10.0.0.1",
  "172.16.3.4",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "224.0.0.1",
  "255.255.255.255",
  "168.63.129.16",
  "[::7f00:1]",
  "[::127.0.0.1]",
  "[::1]",
  "[::]",
  "[fe80::1]",
  "[fd00::1]",
  "[ff02::1]",
  "[::ffff:127.0.0.1]",
  "[::ffff:a00:1]",
  "[64:ff9b::7f00:1]",
  "[2002:7f00:1::]",
])("%s is refused at start, unless private targets are allowed", (host) => {
  const config = { ...complete, SHOP_WEBHOOK_URL: `http://${host}:8080/` };
  expect(() => read(config)).toThrow(/^SHOP_WEBHOOK_URL is a private address: [^\n]+$/);
  expect(shopOf(read({ ...config, SHOP_WEBHOOK_ALLOW_PRIVATE: "on" }))?.allowPrivate).toBe(true);
});

test("a public address and a name are taken", () => {
  for (const host of ["93.184.216.34", "[2606:2800:220:1:248:1893:25c8:1946]", "localhost"]) {
    expect(() => read({ ...complete, SHOP_WEBHOOK_URL: `https://${host}/` })).not.toThrow();
  }
});
