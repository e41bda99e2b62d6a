import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

describe("the examples", () => {
  let world: World;
  let system: PrivateSystem;
  let logDirectory: string;
  beforeAll(async () => {
    logDirectory = await mkdtemp(join(tmpdir(), "holdfast-examples-"));
    world = await createWorld();
    const env = { ...world.env, GUEST_SESSIONS: "on" };
    system = await startPrivateSystem({ apis: 1, workers: 1, env, logDirectory });
  });
  afterAll(async () => {
    await system?.stop();
    await world?.close();
    await rm(logDirectory, { recursive: true, force: true });
  });

  const outputs: Readonly<Record<string, RegExp>> = {
    "put-on-sale.ts": /^On sale: http\S+\/items\/poster\n$/,
    "buy-and-wait.ts": /^confirmed: Success\n$/,
    "long-poll.ts": /^(queued|reserved), place (1|null)\n(.*\n)*confirmed: Success\n$/,
    "another-card.ts":
      /^Reserved, the card was declined, try another one \(insufficient_funds\)\nconfirmed: Success\n$/,
    "cancel.ts": /^Reserved, confirm the payment with your bank\ncancelled: Cancelled\n$/,
  };

  test.each(Object.entries(outputs))("%s does what it says", async (file, output) => {
    const env = { ...process.env, OPS_PASSWORD: system.opsPassword };
    const command = [join("examples", file), system.apiUrls[0] ?? "", "poster"];
    const { stdout } = await run(process.execPath, command, { cwd: root, env });
    expect(stdout).toMatch(output);
  });

  test("are all run here", async () => {
    const files = (await readdir(join(root, "examples"))).filter((file) => file.endsWith(".ts"));
    expect(files.toSorted()).toEqual(Object.keys(outputs).toSorted());
  });
});
