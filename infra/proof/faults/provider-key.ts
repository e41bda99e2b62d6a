import { setTimeout as sleep } from "node:timers/promises";
import { alarmsSince } from "./alarms.ts";
import type { Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";

/**
 * The payment provider refuses our key, as after one was rolled in its dashboard: the merchant's
 * own fault. Every charge is answered 401 until the key is right again.
 */
export const providerKeyRefused: Scenario = {
  name: "provider-key-refused",
  title:
    "a wrong key of the payment provider: no order is cancelled for it, an alarm says so, and all are paid afterwards",
  slowToSettle: true, // whatever was tried meanwhile is tried again after a pause
  async strike({ stage, crowd, lasting }) {
    const struckAtMs = Date.now();
    await stage.setProviderKey("sk_live_another_one");
    try {
      crowd.rush(5); // whose charges meet it for certain
      await sleep(lasting(4_000, 60_000));
    } finally {
      await stage.setProviderKey(null);
    }
    const backAtMs = Date.now();
    const [refused, alarms] = await Promise.all([refusedSince(stage, struckAtMs), keyAlarms(stage, struckAtMs)]);
    return {
      struckAtMs,
      backAtMs,
      note: `${refused} requests met it`,
      findings: [
        { check: "the provider was asked with the wrong key", ok: refused > 0, found: `${refused} requests` },
        { check: "an alarm named the key", ok: alarms.length > 0, found: alarms[0] ?? "none" },
      ],
    };
  },
};

async function refusedSince(stage: Stage, ms: number): Promise<number> {
  const response = await fetch(`${stage.simulatorUrl}/_simulator/requests`);
  const { requests } = (await response.json()) as { requests: { atMs: number }[] };
  return requests.filter(({ atMs }) => atMs >= ms).length;
}

async function keyAlarms(stage: Stage, ms: number): Promise<string[]> {
  return (await alarmsSince(stage, ms)).filter((line) => /\bkey\b|STRIPE_SECRET_KEY/i.test(line));
}
