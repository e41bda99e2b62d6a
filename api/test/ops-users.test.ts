import { beforeAll, describe, expect, test, vi } from "vitest";
import { hashPassword, readOpsUsers } from "../src/ops/ops-users.ts";
import { signIn } from "../src/ops/sign-in.ts";

const password = "correct horse battery";
const digest = `${"A".repeat(22)}$${"B".repeat(43)}`;
const hash = `$scrypt$ln=15,r=8,p=1$${digest}`;

describe("OPS_USERS", () => {
  test("names several operators, though a hash has commas of its own", () => {
    const { users, problems } = readOpsUsers(`ada:act:${hash}, bob@shop.example:look:${hash}`);
    expect(problems).toEqual([]);
    expect(users.map(({ name, role }) => [name, role])).toEqual([
      ["ada", "act"],
      ["bob@shop.example", "look"],
    ]);
    expect(readOpsUsers("").users).toEqual([]);
  });

  test.each([
    [`ops:act:${hash}`, "takes the name"],
    [`ada:act:${hash},ada:look:${hash}`, "is there twice"],
    [`ada:boss:${hash}`, "has neither the role"],
    ["ada:act:secret password", "has no scrypt hash"],
    [`:act:${hash}`, "has no name"],
    [`ada:act:${hash.replace("ln=15", "ln=10")}`, "whose cost is not within"],
    [`ada:act:${hash.replace("ln=15", "ln=25")}`, "whose cost is not within"],
  ])("%s is refused with a line that does not show the hash", (setting, line) => {
    const { problems } = readOpsUsers(setting);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(line);
    expect(problems[0]).not.toMatch(/scrypt\$|secret/);
  });
});

describe("signing in", () => {
  let entry: string;
  beforeAll(async () => {
    entry = await hashPassword(password);
  });
  const parts = (noteAttempt = async () => 0) => ({
    password: "the password of ops",
    users: readOpsUsers(`ada:act:${entry},bob:look:${entry}`).users,
    noteAttempt,
    onLocked: () => {},
  });

  test("each with a password of one's own, and the role that goes with it", async () => {
    const sign = signIn(parts());
    expect(await sign("ada", password, "::1")).toBe("act");
    expect(await sign("bob", password, "::1")).toBe("look");
    expect(await sign("ops", "the password of ops", "::1")).toBe("act");
    for (const [name, given] of [
      ["ada", "wrong"],
      ["eve", password],
      ["ops", password],
      ["", ""],
    ] as const)
      expect(await sign(name, given, "::1")).toBeNull();
  });

  test("a login that was right is remembered for some minutes, and checked again after them", async () => {
    const sign = signIn(parts());
    const timeOf = async () => {
      const begunAt = process.hrtime.bigint();
      expect(await sign("ada", password, "::1")).toBe("act");
      return Number(process.hrtime.bigint() - begunAt);
    };
    const first = await timeOf();
    expect(await timeOf()).toBeLessThan(first / 4);
    const later = performance.now() + 6 * 60_000;
    vi.spyOn(performance, "now").mockReturnValue(later);
    expect(await timeOf()).toBeGreaterThan(first / 4);
    vi.restoreAllMocks();
  });

  test("whoever is locked out costs no check of a password", async () => {
    const sign = signIn(parts(async () => 60_000));
    const begunAtMs = performance.now();
    await expect(sign("ada", password, "::1")).rejects.toMatchObject({ code: "rate_limited", retryAfterSeconds: 60 });
    expect(performance.now() - begunAtMs).toBeLessThan(30);
  });

  test("two passwords are checked at a time; of a crowd the rest is refused, and nobody gets in by it", async () => {
    const sign = signIn(parts());
    const all = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => sign("ada", `guess ${i}`, "::1")));
    const refused = all.filter(({ status }) => status === "rejected");
    expect(refused.length).toBe(18);
    expect(all.filter((one) => one.status === "fulfilled" && one.value !== null)).toEqual([]);
  });
});
