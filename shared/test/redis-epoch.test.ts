import { describe, expect, test } from "vitest";
import { judgeEpoch, type KnownEpoch, type SeenEpoch } from "../src/redis-epoch.ts";

const known: KnownEpoch = {
  epoch: 3,
  token: "ours",
  cause: "first_start",
  beganAtMs: 0,
  ageMs: 60_000,
  recovered: true,
  beat: 5,
  beatAtMs: 0,
  beatAgeMs: 0,
  inLine: 0,
};

const justBegun = { ageMs: 100, recovered: false };
const recovering = { recovered: false };

describe("what both sides know of the epoch", () => {
  test.each<[string, Partial<KnownEpoch> | null, SeenEpoch, string]>([
    ["nobody has begun one", null, { token: null, beat: 0 }, "begin"],
    ["Redis has one that the record never had", null, { token: "theirs", beat: 9 }, "begin"],
    ["one has begun, and Redis has not its token yet", justBegun, { token: null, beat: 0 }, "beginning"],
    ["one has begun, and Redis has another token", justBegun, { token: "older", beat: 9 }, "beginning"],
    ["one has begun, and Redis has its token", justBegun, { token: "ours", beat: 5 }, "recover"],
    ["whoever began one died before Redis had its token", recovering, { token: "older", beat: 9 }, "restored"],
    ["Redis has its token", recovering, { token: "ours", beat: 5 }, "recover"],
    ["Redis was emptied again before all was put right", recovering, { token: null, beat: 0 }, "emptied"],
    ["Redis was restored before all was put right", recovering, { token: "ours", beat: 4 }, "restored"],
    ["both say the same", {}, { token: "ours", beat: 5 }, "sound"],
    ["Redis is ahead: a process died between the two writes", {}, { token: "ours", beat: 6 }, "sound"],
    ["Redis is far ahead: the record was restored", {}, { token: "ours", beat: 500 }, "sound"],
    ["Redis lacks beats that it had acknowledged", {}, { token: "ours", beat: 4 }, "restored"],
    ["Redis has the token and no beat at all", {}, { token: "ours", beat: 0 }, "restored"],
    ["Redis is of an earlier epoch, or of somebody else", {}, { token: "older", beat: 900 }, "restored"],
    ["Redis knows nothing", {}, { token: null, beat: 0 }, "emptied"],
  ])("%s", (_title, record, seen, state) => {
    expect(judgeEpoch(record && { ...known, ...record }, seen)).toBe(state);
  });
});
