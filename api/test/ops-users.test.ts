import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { NoteAttempt } from "../src/ops/ops-lockout.ts";
import { hashPassword, readOpsUsers, verifyPassword } from "../src/ops/ops-users.ts";
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

describe("npm run ops-user", () => {
  const main = fileURLToPath(new URL("../src/ops/ops-user-main.ts", import.meta.url));
  const command = (args: readonly string[], input: string) =>
    new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const child = execFile(process.execPath, [main, ...args], (_error, stdout, stderr) =>
        resolve({ code: child.exitCode, stdout, stderr }),
      );
      child.stdin?.end(input);
    });

  test("prints the entry of a password that it reads, and never the password", async () => {
    const { code, stdout, stderr } = await command(["ada", "look"], `${password}\n`);
    expect([code, stderr]).toEqual([0, ""]);
    const { users, problems } = readOpsUsers(stdout);
    expect(problems).toEqual([]);
    expect(users).toMatchObject([{ name: "ada", role: "look" }]);
    const [user] = users;
    expect(user && (await verifyPassword(password, user.hash))).toBe(true);
    expect(stdout).not.toContain(password);
  }, 30_000);

  test.each([
    [["ada", "boss"], password, /neither the role look nor act/],
    [["ops", "act"], password, /takes the name/],
    [["ada"], password, /npm run ops-user -- <name>/],
    [["ada", "act"], "too short", /12 characters or more/],
    [["ada", "act"], "", /12 characters or more/],
  ])(
    "%j: one clear line, exit code 1, nothing printed",
    async (args, input, line) => {
      const { code, stdout, stderr } = await command(args, input);
      expect(stderr).toMatch(line);
      expect(stderr.trimEnd()).not.toContain("\n");
      expect([code, stdout]).toEqual([1, ""]);
    },
    30_000,
  );
});

describe("signing in", () => {
  let entry: string;
  beforeAll(async () => {
    entry = await hashPassword(password);
  });
  const parts = (noteAttempt: NoteAttempt = async () => 0) => ({
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

  /** Guesses that are all being checked, or wait for it: whatever needs a check now is refused. */
  const crowdAt = (sign: ReturnType<typeof signIn>) =>
    Promise.allSettled(Array.from({ length: 22 }, (_, i) => sign("bob", `guess ${i}`, "::2")));

  afterEach(() => void vi.restoreAllMocks());

  test("a login that was right is remembered for some minutes, and checked again after them", async () => {
    const sign = signIn(parts());
    await sign("ada", password, "::1");
    const crowd = crowdAt(sign);
    expect(await sign("ada", password, "::1")).toBe("act");
    await expect(sign("ada", "another password", "::1")).rejects.toMatchObject({ code: "busy" });
    await expect(sign("bob", password, "::1")).rejects.toMatchObject({ code: "busy" });
    vi.spyOn(performance, "now").mockReturnValue(performance.now() + 5 * 60_000);
    await expect(sign("ada", password, "::1")).rejects.toMatchObject({ code: "busy" });
    await crowd;
    expect(await sign("ada", password, "::1")).toBe("act");
  }, 30_000);

  test("whoever is locked out costs no check of a password", async () => {
    const sign = signIn(parts(async (address) => (address === "::1" ? 60_000 : 0)));
    const crowd = crowdAt(sign);
    await expect(sign("ada", password, "::1")).rejects.toMatchObject({ code: "rate_limited", retryAfterSeconds: 60 });
    await crowd;
  }, 30_000);

  test("two passwords are checked at a time; of a crowd the rest is refused, and nobody gets in by it", async () => {
    const sign = signIn(parts());
    const all = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => sign("ada", `guess ${i}`, "::1")));
    const refused = all.filter(({ status }) => status === "rejected");
    expect(refused.length).toBe(18);
    expect(all.filter((one) => one.status === "fulfilled" && one.value !== null)).toEqual([]);
  });
});
