import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { ourVariables, unknownVariables } from "../src/unknown-variables.ts";

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

test.each([
  ["CHARGE_CONCURENCY", "CHARGE_CONCURRENCY"],
  ["TRUST_PROXI", "TRUST_PROXY"],
  ["DATABASE_URI", "DATABASE_URL"],
  ["PURCHASE_LINES", "PURCHASE_LANES"],
  ["OPS_PASWORD", "OPS_PASSWORD"],
  ["Jwt_Secret", "JWT_SECRET"],
  ["SHOPPER_RATE", "SHOPPER_RATE_PER_MINUTE"],
])("%s is named, with %s as what was meant, and its value is not shown", (name, meant) => {
  const lines = unknownVariables({ [name]: "s3cret" });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(new RegExp(`^${name} .*${meant}\\?$`));
  expect(lines[0]).not.toContain("s3cret");
});

test("the rest of the environment is none of our business", () => {
  const others =
    "PATH HOME HOSTNAME REDIS_PORT REDIS_SERVICE_HOST HTTP_PROXY NO_PROXY PGPASSWORD LANG POST PORTS SORT TEST_REDIS_IMAGE";
  const env = Object.fromEntries([...others.split(" "), ...ourVariables].map((name) => [name, "x"]));
  expect(unknownVariables(env)).toEqual([]);
  expect(unknownVariables({ CHARGE_CONCURENCY: "" })).toEqual([]);
});

test("every variable of the README and of the configurations is known", async () => {
  const readme = (await read("README.md")).matchAll(/^\| (`[A-Z_`, or]+) \|/gm);
  const documented = [...readme].flatMap(([, names = ""]) => names.match(/[A-Z_]+/g) ?? []);
  expect(documented).toContain("PURCHASE_LANES");
  const configs = await Promise.all(["api", "worker"].map((workspace) => read(`${workspace}/src/config.ts`)));
  const inUse = configs.flatMap((text) => [...text.matchAll(/^ {2}([A-Z_]+): /gm)].map(([, name]) => name));
  expect(inUse).toContain("CHARGE_CONCURRENCY");
  for (const name of [...documented, ...inUse]) expect(ourVariables).toContain(name);
});
