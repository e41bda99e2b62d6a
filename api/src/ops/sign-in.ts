import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { Problem } from "../http/problems.ts";
import type { NoteAttempt } from "./ops-lockout.ts";
import { nobodysHash, type OpsUser, verifyPassword } from "./ops-users.ts";

export type Role = OpsUser["role"];

/**
 * Signs somebody in with name and password, from an address.
 * @returns the role; null where one of the two is wrong
 * @throws Problem where the address is locked out, or too many sign in at once
 */
export type SignIn = (name: string, password: string, address: string) => Promise<Role | null>;

export interface SignInParts {
  /** Of the user `ops`, who may do all. */
  readonly password: string;
  readonly users: readonly OpsUser[];
  readonly noteAttempt: NoteAttempt;
  /** Called with an address that is locked out. */
  readonly onLocked: (address: string) => void;
}

const rememberedMs = 5 * 60_000; // a page asks every second; whoever is taken off OPS_USERS is out with the restart
const maxRemembered = 1_000;
const maxAtOnce = 2; // each takes 32 MB and a tenth of a second of a core
const maxWaiting = 20; // two seconds

/**
 * A password costs a tenth of a second to check, on purpose; a browser sends it with every request.
 * So one that was right is remembered for some minutes, under a digest with a key of this process:
 * whoever reads the memory finds no password. The user `ops` needs none of this: its password comes
 * from the environment as it is.
 */
export function signIn({ password, users, noteAttempt, onLocked }: SignInParts): SignIn {
  const expected = digestOf(`ops:${password}`);
  const byName = new Map(users.map((user) => [user.name, user]));
  const nobody = nobodysHash(users);
  const remembered = rememberedLogins();
  const inTurn = atMost(maxAtOnce, maxWaiting);
  const attempt = async (address: string, right: boolean) => {
    const lockedMs = await noteAttempt(address, right);
    if (lockedMs === 0) return;
    onLocked(address);
    const retryAfterSeconds = Math.ceil(lockedMs / 1000);
    throw new Problem("rate_limited", "Too many wrong passwords from this address.", {
      retryAfterSeconds,
      limitedBy: "passwords",
    });
  };
  return async (name, given, address) => {
    if (name === "ops" || users.length === 0) {
      const right = timingSafeEqual(digestOf(`${name}:${given}`), expected);
      await attempt(address, right);
      return right ? "act" : null;
    }
    await attempt(address, true); // whoever is locked out costs nothing more
    const known = byName.get(name);
    if (known && remembered.has(name, given)) return known.role;
    const right = (await inTurn(() => verifyPassword(given, known?.hash ?? nobody))) && known !== undefined;
    await attempt(address, right); // of many guesses at the same moment no more than the limit can succeed
    if (!right) return null;
    remembered.add(name, given);
    return known.role;
  };
}

/** Compared in constant time, so that the time taken tells nothing of how much was right. */
function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function rememberedLogins() {
  const key = randomBytes(32);
  const untilMs = new Map<string, number>(); // oldest first
  const digest = (name: string, password: string) =>
    createHmac("sha256", key).update(`${name}:${password}`).digest("base64");
  return {
    has: (name: string, password: string) => (untilMs.get(digest(name, password)) ?? 0) > performance.now(),
    add(name: string, password: string) {
      const [oldest] = untilMs.keys();
      if (untilMs.size >= maxRemembered && oldest !== undefined) untilMs.delete(oldest);
      untilMs.set(digest(name, password), performance.now() + rememberedMs);
    },
  };
}

/** Does so many at a time; a few more wait. */
function atMost(atOnce: number, mostWaiting: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= atOnce) {
      if (waiting.length >= mostWaiting) {
        throw new Problem("busy", "Too many sign in at the same moment.", { retryAfterSeconds: 2 });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
