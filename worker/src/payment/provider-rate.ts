import { setTimeout as sleep } from "node:timers/promises";
import type { RedisClient } from "@holdfast/shared/redis.ts";

/** Waits for the turn of one request to the payment provider. */
export type AwaitTurn = () => Promise<void>;

// The next free moment, kept in Redis' own time: every request takes it and moves it on by the time
// that one may take of the rate. At most a few may come at once after a pause (generic cell rate
// algorithm: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm). A moment too far ahead
// comes from a clock that was set back, or of another server's.
const takeTurnScript = `
local time = redis.call("TIME")
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local spacing, burst, furthest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local free = math.max(tonumber(redis.call("GET", KEYS[1]) or "0"), now - burst)
if free > now + furthest then free = now end
redis.call("SET", KEYS[1], string.format("%.0f", free + spacing), "PX", 60000)
return math.ceil(math.max(0, free - now) / 1000)`;

const burstRequests = 2;
const lateMs = 100; // who comes so late for their turn comes together with others, and takes another
const maxTurns = 5; // in a process that always comes late, waiting would not help
const furthestMs = 120_000; // 60 workers with 50 charges each at 25 a second

/**
 * Counts every request to the payment provider, of the whole fleet, into its rate limit: charges,
 * questions, refunds, searches, a night's reconciliation. Each waits for its turn; none is refused.
 * @param ratePerSecond a twentieth is left free, because a request leaves a few milliseconds sooner
 *   or later after its turn
 * @param closing ends all waiting when the process closes: the requests are then made by another
 */
export function providerRate(redis: RedisClient, key: string, ratePerSecond: number, closing: AbortSignal): AwaitTurn {
  const spacingUs = Math.ceil(1_000_000 / (0.95 * ratePerSecond));
  const limits = [spacingUs, burstRequests * spacingUs, furthestMs * 1_000];
  return async () => {
    for (let turns = 0; turns < maxTurns; turns++) {
      closing.throwIfAborted();
      const askedAtMs = performance.now();
      const waitMs = Number(await redis.eval(takeTurnScript, 1, key, ...limits));
      if (waitMs > 0) await sleep(waitMs, undefined, { signal: closing });
      if (performance.now() - askedAtMs - waitMs < lateMs) return;
    }
  };
}
