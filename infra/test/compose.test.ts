import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const compose = await readFile(new URL("../compose.yaml", import.meta.url), "utf8");
const configuration = fileURLToPath(new URL("../load-balancer/nginx.conf", import.meta.url));

/** The configuration as nginx's container makes it. */
async function rewritten(env: Readonly<Record<string, string>>): Promise<string> {
  const [, script = ""] = /(sed -e[\s\S]+?)\/etc\/holdfast\/nginx\.conf/.exec(compose) ?? [];
  const command = `${script.replaceAll("$$", "$").replaceAll("\n", " ")} ${configuration}`;
  const { stdout } = await run("sh", ["-c", command], { env: { PATH: process.env.PATH ?? "", ...env } });
  return stdout;
}

test("nginx serves plain HTTP on its port, and looks each server's address up all the while", async () => {
  const text = await rewritten({ TRUSTED_PROXY: "" });
  expect(text).toContain("listen 8080;");
  expect(text).not.toMatch(/ssl/);
  expect(text).toContain("resolver 127.0.0.11 ");
  expect(text.match(/server api-\d:3000 resolve /g)).toHaveLength(3);
  expect(text).not.toMatch(/^ *set_real_ip_from/m);
});

test("a proxy before it is believed where it is named", async () => {
  expect(await rewritten({ TRUSTED_PROXY: "10.1.0.0/16" })).toMatch(/^ *set_real_ip_from 10\.1\.0\.0\/16;$/m);
});
