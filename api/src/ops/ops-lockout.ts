import type { Store } from "@holdfast/shared/redis.ts";
import { redisScript } from "@holdfast/shared/redis-script.ts";

/** How often an address may give a wrong password, and how long it is locked out then. */
export interface LockoutLimits {
  readonly maxFailures: number;
  readonly lockMs: number;
}

export const lockoutLimits: LockoutLimits = {
  maxFailures: 10, // a person mistypes a few times; a machine gets under a thousand guesses a day and address
  lockMs: 15 * 60_000,
};

/**
 * Addresses counted in this process while Redis is unavailable; an attacker with more of them is
 * beyond a list.
 */
const maxCountedHere = 10_000;

/**
 * Notes whether a password was right. @returns for how many ms the address is locked out, 0 where
 * it is not
 */
export type NoteAttempt = (address: string, right: boolean) => Promise<number>;

// Who is locked out is not counted any further, so that the lock ends; and is told the same whether
// right or wrong.
const attemptScript = redisScript<number>(
  "noteOpsAttempt",
  `
local failures = tonumber(redis.call("GET", KEYS[1]) or "0")
if failures >= tonumber(ARGV[2]) then return redis.call("PTTL", KEYS[1]) end
if ARGV[1] == "wrong" then
  redis.call("INCR", KEYS[1])
  redis.call("PEXPIRE", KEYS[1], ARGV[3])
end
return 0`,
);

/**
 * Counts wrong passwords per client address in Redis, and so across all API servers; the password
 * is compared first and the answer of Redis decides, so that of many guesses at the same moment no
 * more than the limit can succeed. A right password does not start the count anew: who shares an
 * address with operations would profit. While Redis is unavailable each process counts for itself.
 */
export function opsLockout({ redis, keys }: Store, limits: LockoutLimits): NoteAttempt {
  const countHere = localLockout(limits);
  return async (address, right) => {
    if (redis.status !== "ready") return countHere(address, right); // no use waiting for it here
    const attempt = [right ? "right" : "wrong", limits.maxFailures, limits.lockMs];
    return attemptScript(redis, [keys.opsFailures(address)], attempt).catch(() => countHere(address, right));
  };
}

function localLockout({ maxFailures, lockMs }: LockoutLimits) {
  const counted = new Map<string, { failures: number; untilMs: number }>(); // oldest first
  return (address: string, right: boolean): number => {
    const nowMs = Date.now();
    const known = counted.get(address);
    const failures = known && known.untilMs > nowMs ? known.failures : 0;
    if (known && failures >= maxFailures) return known.untilMs - nowMs;
    if (!right) {
      counted.delete(address);
      counted.set(address, { failures: failures + 1, untilMs: nowMs + lockMs });
      const [oldest] = counted.keys();
      if (counted.size > maxCountedHere && oldest !== undefined) counted.delete(oldest);
    }
    return 0;
  };
}
