import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { OrderBody } from "@holdfast/shared/show-order.ts";

import { eventually } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { childEnded, freePort, isRunning } from "../local/processes.ts";
import { findRun } from "../local/run-file.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

describe("npm start", () => {
  let data: string;
  let port: number;
  const launchers: ChildProcess[] = [];
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), "holdfast-start-"));
    port = await freePort();
  });
  afterEach(async () => {
    for (const child of launchers.splice(0)) {
      child.kill("SIGTERM");
      await childEnded(child, 30_000);
    }
    await rm(data, { recursive: true, force: true });
  });

  /** As on a machine where nothing is set: Postgres and Redis are its own. */
  const start = async (...args: string[]) => {
    const env = { PATH: process.env.PATH ?? "", PORT: String(port) };
    const child = spawn(process.execPath, ["infra/local/start.ts", "--data", data, ...args], { cwd: root, env });
    launchers.push(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    await eventually(
      "it is open or has ended",
      async () => output.includes("Ctrl-C stops") || child.exitCode !== null,
      60_000,
    );
    return { child, output: () => output };
  };
  const url = (path: string) => `http://127.0.0.1:${port}${path}`;
  const partsOf = async () => (JSON.parse(await readFile(join(data, "run.json"), "utf8")) as { parts: number[] }).parts;
  const buy = async () => {
    const { token } = (await (await fetch(url("/sessions"), { method: "POST" })).json()) as { token: string };
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const body = JSON.stringify({ paymentMethod: "pm_card_visa" });
    const placed = await fetch(url("/purchase/item_123"), { method: "POST", headers, body });
    const { id } = (await placed.json()) as OrderBody;
    const see = async () => (await (await fetch(url(`/orders/${id}`), { headers })).json()) as OrderBody;
    await eventually("the order is confirmed", async () => (await see()).status === "confirmed");
  };
  const available = async () =>
    ((await (await fetch(url("/items/item_123"))).json()) as { available: number }).available;

  const paid = async (output: string) => {
    const ledger = /http:\S+\/_simulator\/ledger/.exec(output)?.[0] ?? "";
    return ((await (await fetch(ledger)).json()) as { payments: unknown[] }).payments.length;
  };

  test("sells on a bare machine, ends without a trace, and finds its data again; --fresh empties it", async () => {
    const first = await start();
    expect(first.output()).toContain(`http://127.0.0.1:${port}/`);
    await buy();
    expect(await available()).toBe(99);
    const parts = await partsOf();
    // What `npm run reconcile` needs beside it.
    const env = await findRun(data);
    expect(Object.keys(env ?? {})).toEqual(["DATABASE_URL", "REDIS_URL", "STRIPE_SECRET_KEY", "STRIPE_API_BASE"]);
    first.child.kill("SIGINT");
    await childEnded(first.child, 30_000);
    expect(first.child.exitCode).toBe(0);
    for (const pid of parts) expect(await isRunning(pid, "")).toBe(false);
    expect(await findRun(data)).toBeNull();

    const second = await start();
    expect(await available()).toBe(99);
    expect(await paid(second.output())).toBe(1);
    second.child.kill("SIGINT");
    await childEnded(second.child, 30_000);

    const fresh = await start("--fresh");
    expect(await available()).toBe(100);
    expect(await paid(fresh.output())).toBe(0);
  });

  test("says in one line what is wrong with its options or its port, and starts nothing", async () => {
    const run = (args: string[], env: Record<string, string> = {}) => {
      const command = ["infra/local/start.ts", "--data", join(data, "never"), ...args];
      return spawnSync(process.execPath, command, { cwd: root, env: { PATH: process.env.PATH ?? "", ...env } });
    };
    const wrong = async (args: string[], env: Record<string, string>, line: RegExp) => {
      const { status, stdout, stderr } = run(args, env);
      expect([status, stdout.toString()]).toEqual([1, ""]);
      expect(stderr.toString().trim()).toMatch(line);
    };
    await wrong(["--fres"], {}, /^start: Unknown option '--fres'[^\n]*$/);
    await wrong(["more"], {}, /^start: Unexpected argument 'more'[^\n]*$/);
    await wrong([], { PORT: "eighty" }, /^start: PORT does not fit: a port, a number from 0 to 65535$/);
    expect(existsSync(join(data, "never"))).toBe(false);
    const taken = createServer().listen(port, "127.0.0.1");
    await once(taken, "listening");
    await wrong([], { PORT: String(port) }, new RegExp(`^start: PORT: port ${port} is taken by another program$`));
    taken.close();
    const nowhere = { DATABASE_URL: "postgres://u:s3cret@127.0.0.1:1/x", REDIS_URL: "redis://:s3cret@localhost:2" };
    await wrong(
      [],
      nowhere,
      /^start: nothing answers at 127.0.0.1:1 \(DATABASE_URL\)\nstart: nothing answers at localhost:2 \(REDIS_URL\)$/,
    );
    const help = run(["--help"]);
    expect([help.status, help.stdout.toString()]).toEqual([0, expect.stringContaining("--fresh")]);
  });

  test("clears up after a run that was killed, and does not start twice in one folder", async () => {
    const killed = await start();
    await buy();
    const orphans = await partsOf();
    killed.child.kill("SIGKILL");
    await childEnded(killed.child, 5_000);

    await start();
    for (const pid of orphans) expect(await isRunning(pid, "")).toBe(false);
    expect(await available()).toBe(99);

    const twice = await start();
    expect(twice.child.exitCode).toBe(1);
    expect(twice.output()).toMatch(/start: Holdfast is already running here/);
  });
});
