import { describe, expect, test } from "vitest";
import { judgeEpoch, type KnownEpoch, type SeenEpoch } from "../src/redis-epoch.ts";

const known: KnownEpoch = {
  epoch: 3,
  token: "ours",
  cause: "first_start",
  beganAtMs: 0,
  recovered: true,
  beat: 5,
  beatAtMs: 0,
  inLine: 0,
};

describe("what both sides know of the epoch", () => {
  test.each<[string, Partial<KnownEpoch> | null, SeenEpoch, string]>([
    ["nobody has begun one", null, { token: null, beat: 0 }, "begin"],
    ["Redis has one that the record never had", null, { token: "theirs", beat: 9 }, "begin"],
    ["one has begun, and Redis has not its token yet", { recovered: false }, { token: null, beat: 0 }, "recover"],
    ["one has begun, and Redis has its token", { recovered: false }, { token: "ours", beat: 0 }, "recover"],
    ["one has begun, and Redis has another token", { recovered: false }, { token: "older", beat: 9 }, "recover"],
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
