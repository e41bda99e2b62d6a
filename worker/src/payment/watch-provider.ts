import type { RaiseAlarm } from "@holdfast/shared/alarm.ts";

/** How a request to the provider failed. */
export type ProviderErrorClass = "no_answer" | "refused" | "rate_limited" | "server_error";

/** Is given what came of each request to the provider. */
export interface ProviderWatch {
  /**
   * @param status of the answer; null where there was none
   * @param why in its own words where it has some
   * @param sentAtMs when it was asked, by `performance.now()`
   * @param refusesUs whether it is refused whoever pays, beside what the status says
   */
  note(status: number | null, why: string, sentAtMs: number, refusesUs?: boolean): void;
  /** For how long it has answered nothing that it was asked, in ms; 0 while it answers. */
  silentMs(): number;
  lastError(): { readonly atMs: number; readonly text: string } | null;
}

const silentFailures = 3; // one broken connection, or two, are the network's
const silentAlarmMs = 5_000;
const silentForLongMs = 10_000; // by then two are enough: a single order in hand is tried only so often
const forgetMs = 30_000; // an order that waits for an answer is tried again within ten seconds
const maxText = 300; // characters

/**
 * Watches whether the provider answers, over all requests of this process: where each one fails,
 * nobody needs to look at orders one by one.
 */
export function watchProvider(
  raiseAlarm: RaiseAlarm,
  count: (failed: ProviderErrorClass | null) => void = () => {},
): ProviderWatch {
  let failures = 0;
  let failedAtMs = Number.NEGATIVE_INFINITY;
  let silentSinceMs = 0;
  let answeredAtMs = Number.NEGATIVE_INFINITY;
  let lastError: { atMs: number; text: string } | null = null;
  // A worker that asks nothing more does not know: others may have had answers since.
  const isOld = () => performance.now() - failedAtMs > forgetMs;
  const silentMs = () => {
    const ms = performance.now() - silentSinceMs;
    const counts = failures >= silentFailures || (failures >= 2 && ms >= silentForLongMs);
    return counts && !isOld() ? ms : 0;
  };
  return {
    note(status, why, sentAtMs, refusesUs = false) {
      const failed = refusesUs ? "refused" : classOf(status);
      count(failed);
      if (failed !== null) lastError = { atMs: Date.now(), text: why.slice(0, maxText) };
      if (failed !== "no_answer" && failed !== "server_error") {
        failures = 0;
        answeredAtMs = performance.now();
        return;
      }
      // Since it was asked in vain, and not since that was known: a timeout takes seconds itself.
      if (isOld()) failures = 0;
      failedAtMs = performance.now();
      if (failures === 0) silentSinceMs = Math.max(sentAtMs, answeredAtMs);
      failures += 1;
      if (silentMs() < silentAlarmMs) return;
      raiseAlarm("provider_unavailable", `For ${Math.round(silentMs() / 1000)} s, ${failures} requests: ${why}.`);
    },
    silentMs,
    lastError: () => lastError,
  };
}

function classOf(status: number | null): ProviderErrorClass | null {
  if (status === null) return "no_answer";
  if (status >= 500) return "server_error";
  if (status === 429) return "rate_limited";
  return status === 401 || status === 403 ? "refused" : null;
}
