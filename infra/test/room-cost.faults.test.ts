import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type PrivateSystem, startPrivateSystem } from "../local/private-system.ts";

const rooms = 3;
const pairs = 3;
const spanMs = 6_000;
const mostMsPerSecond = 20; // of CPU, all rooms together

let world: World;
let system: PrivateSystem;
let logDirectory: string;
beforeAll(async () => {
  logDirectory = await mkdtemp(join(tmpdir(), "holdfast-room-"));
  world = await createWorld();
  system = await startPrivateSystem({ apis: 1, workers: 1, env: world.env, logDirectory });
}, 120_000);
afterAll(async () => {
  await system?.stop();
  await world?.close();
  await rm(logDirectory, { recursive: true, force: true });
});

const authorization = () => `Basic ${Buffer.from(`ops:${system.opsPassword}`).toString("base64")}`;
const cpuSeconds = async () => {
  const text = await (await fetch(`${system.adminUrls[0]}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
};
/** Milliseconds of CPU that the API server takes in a second, over a span. */
const cost = async () => {
  const [before, startedAtMs] = [await cpuSeconds(), performance.now()];
  await sleep(spanMs);
  return ((await cpuSeconds()) - before) * 1_000 * (1_000 / (performance.now() - startedAtMs));
};
const openRoom = async (signal: AbortSignal) => {
  const answer = await fetch(`${system.apiUrls[0]}/ops/api/live`, {
    headers: { authorization: authorization() },
    signal,
  });
  let bytes = 0;
  const reading = (async () => {
    for await (const chunk of answer.body ?? []) bytes += chunk.length;
  })().catch(() => {});
  return { reading, bytes: () => bytes };
};

test(`${rooms} open rooms cost their API server at most ${mostMsPerSecond} ms of CPU a second`, async () => {
  for (let i = 0; i < 20; i++) {
    const body = JSON.stringify({ name: `Item ${i}`, price: 1_900, currency: "eur", units: 100 });
    const headers = { authorization: authorization(), "content-type": "application/json" };
    await fetch(`${system.apiUrls[0]}/ops/api/items/item_${i}`, { method: "PUT", headers, body });
  }
  await sleep(3_000); // started up, and measured a few times
  const without: number[] = [];
  const withRooms: number[] = [];
  for (let i = 0; i < pairs; i++) {
    without.push(await cost());
    const controller = new AbortController();
    const open = await Promise.all(Array.from({ length: rooms }, () => openRoom(controller.signal)));
    await sleep(1_000);
    withRooms.push(await cost());
    for (const room of open) expect(room.bytes()).toBeGreaterThan(5 * 1_000); // each was sent the sale all the while
    controller.abort();
    await Promise.all(open.map(({ reading }) => reading));
  }
  const median = (all: number[]) => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;
  const more = median(withRooms) - median(without);
  process.stdout.write(
    `an API server that measures: ${median(without).toFixed(1)} ms of CPU a second; ${rooms} rooms: ${more.toFixed(1)} more\n`,
  );
  expect(more).toBeLessThanOrEqual(mostMsPerSecond);
});
