import { describe, expect, test } from "vitest";
import { judgeGeneration, type KnownGeneration, type SeenGeneration } from "../src/redis-generation.ts";

const known: KnownGeneration = {
  generation: 3,
  token: "ours",
  cause: "first_start",
  beganAtMs: 0,
  ageMs: 60_000,
  recovered: true,
  heartbeats: 5,
  heartbeatAtMs: 0,
  heartbeatAgeMs: 0,
  inLine: 0,
};

const justBegun = { ageMs: 100, recovered: false };
const recovering = { recovered: false };

describe("what both sides know of the generation", () => {
  test.each<[string, Partial<KnownGeneration> | null, SeenGeneration, string]>([
    ["nobody has begun one", null, { token: null, heartbeats: 0 }, "begin"],
    ["Redis has one that Postgres never had", null, { token: "theirs", heartbeats: 9 }, "begin"],
    ["one has begun, and Redis has not its token yet", justBegun, { token: null, heartbeats: 0 }, "beginning"],
    ["one has begun, and Redis has another token", justBegun, { token: "older", heartbeats: 9 }, "beginning"],
    ["one has begun, and Redis has its token", justBegun, { token: "ours", heartbeats: 5 }, "recover"],
    ["whoever began one died before Redis had its token", recovering, { token: "older", heartbeats: 9 }, "restored"],
    ["Redis has its token", recovering, { token: "ours", heartbeats: 5 }, "recover"],
    ["Redis was emptied again before all was put right", recovering, { token: null, heartbeats: 0 }, "emptied"],
    ["Redis was restored before all was put right", recovering, { token: "ours", heartbeats: 4 }, "restored"],
    ["both say the same", {}, { token: "ours", heartbeats: 5 }, "sound"],
    ["Redis is ahead: a process died between the two writes", {}, { token: "ours", heartbeats: 6 }, "sound"],
    ["several died between the two writes", {}, { token: "ours", heartbeats: 8 }, "sound"],
    ["Redis is far ahead: Postgres was restored", {}, { token: "ours", heartbeats: 9 }, "postgres_behind"],
    ["Redis lacks heartbeats that it had acknowledged", {}, { token: "ours", heartbeats: 4 }, "restored"],
    ["Redis has the token and no heartbeat at all", {}, { token: "ours", heartbeats: 0 }, "restored"],
    ["Redis is of an earlier generation, or of somebody else", {}, { token: "older", heartbeats: 900 }, "restored"],
    ["Redis knows nothing", {}, { token: null, heartbeats: 0 }, "emptied"],
  ])("%s", (_title, record, seen, state) => {
    expect(judgeGeneration(record && { ...known, ...record }, seen)).toBe(state);
  });
});
