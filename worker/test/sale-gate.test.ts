import { expect, test } from "vitest";
import { SaleHalted, saleGate } from "../src/recovery/sale-gate.ts";

const halted = (gate: ReturnType<typeof saleGate>) => {
  try {
    gate.require();
    return false;
  } catch (error) {
    return error instanceof SaleHalted;
  }
};
const now = () => performance.now();
const lost = Object.assign(new Error("terminating connection"), { code: "57P01" });
const ofRedis = Object.assign(new Error("READONLY You can't write against a read only replica."), {
  name: "ReplyError",
});

test("a process that starts decides nothing before its first look", () => {
  const gate = saleGate();
  expect(halted(gate)).toBe(true);
  gate.noteLook("sound", now());
  expect(halted(gate)).toBe(false);
});

test("after a loss of Postgres only a look that began later opens it again", () => {
  const gate = saleGate();
  gate.noteLook("sound", now());
  const beforeMs = now();
  gate.noteOutage();
  expect([halted(gate), gate.isUnsure()]).toEqual([true, true]);
  gate.noteLook("sound", beforeMs);
  expect(halted(gate)).toBe(true);
  gate.noteLook("sound", now());
  expect([halted(gate), gate.isUnsure()]).toEqual([false, false]);
});

test("a look that fails shuts it where Postgres did not answer, and not where it is busy, or Redis did not", () => {
  const gate = saleGate();
  gate.noteLook("sound", now());
  gate.noteError(ofRedis);
  gate.noteError(new Error("Stream isn't writeable and enableOfflineQueue options is false"));
  gate.noteError(new TypeError("a bug"));
  gate.noteError(Object.assign(new Error("canceling statement due to lock timeout"), { code: "55P03" }));
  gate.noteError(new Error("timeout exceeded when trying to connect")); // in our own pool
  expect(halted(gate)).toBe(false);
  gate.noteError(lost);
  expect(halted(gate)).toBe(true);
});

test("a Postgres that is behind Redis keeps it shut until a look finds otherwise", () => {
  const gate = saleGate();
  gate.noteLook("postgres_behind", now());
  expect([halted(gate), gate.isUnsure()]).toEqual([true, true]);
  gate.noteLook("sound", now());
  expect(halted(gate)).toBe(false);
});
