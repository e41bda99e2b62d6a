import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { watchProvider } from "../src/payment/watch-provider.ts";

describe("whether the provider answers", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const raised: string[] = [];
  const counted: (string | null)[] = [];
  const watched = () => {
    raised.length = 0;
    counted.length = 0;
    return watchProvider(
      (name) => void raised.push(name),
      (failed) => void counted.push(failed),
    );
  };

  test("three timeouts of seven seconds that began together are an alarm at once", () => {
    const watch = watched();
    const sentAtMs = performance.now();
    vi.advanceTimersByTime(7_000);
    for (const status of [null, null]) watch.note(status, "Request timed out", sentAtMs);
    expect(raised).toEqual([]); // one broken connection, or two, are the network's
    watch.note(null, "Request timed out", sentAtMs);
    expect(raised).toEqual(["provider_unavailable"]);
    expect(watch.silentMs()).toBe(7_000);
    expect(watch.lastError()?.text).toBe("Request timed out");
  });

  test("an answer in between begins it anew, even one that came before the first failure was known", () => {
    const watch = watched();
    const sentAtMs = performance.now();
    vi.advanceTimersByTime(6_500);
    watch.note(200, "the answer was 200", sentAtMs);
    vi.advanceTimersByTime(500);
    for (let i = 0; i < 3; i++) watch.note(null, "Request timed out", sentAtMs);
    expect(watch.silentMs()).toBe(500);
    expect(raised).toEqual([]);
  });

  test("requests that fail at once are an alarm after five seconds, until one is answered", () => {
    const watch = watched();
    for (let i = 0; i < 5; i++) {
      watch.note(503, "the answer was 503", performance.now());
      vi.advanceTimersByTime(1_000);
    }
    expect(raised).toEqual([]);
    watch.note(503, "the answer was 503", performance.now());
    expect(raised).toEqual(["provider_unavailable"]);
    watch.note(402, "the answer was 402", performance.now()); // a declined card is an answer
    expect(watch.silentMs()).toBe(0);
    watch.note(503, "the answer was 503", performance.now());
    expect(raised).toHaveLength(1);
  });

  test("two timeouts one after the other are enough where they took ten seconds: there may be one order in hand", () => {
    const watch = watched();
    for (let i = 0; i < 2; i++) {
      const sentAtMs = performance.now();
      vi.advanceTimersByTime(7_000);
      watch.note(null, "Request timed out", sentAtMs);
    }
    expect(raised).toEqual(["provider_unavailable"]);
    expect(watch.silentMs()).toBe(14_000);
  });

  test("a worker that asks nothing more knows nothing after half a minute: others may have had answers", () => {
    const watch = watched();
    for (let i = 0; i < 3; i++) watch.note(null, "socket hang up", performance.now());
    vi.advanceTimersByTime(29_000);
    expect(watch.silentMs()).toBe(29_000);
    vi.advanceTimersByTime(2_000);
    expect(watch.silentMs()).toBe(0);
    for (let i = 0; i < 3; i++) watch.note(null, "socket hang up", performance.now());
    expect(watch.silentMs()).toBe(0); // begun anew
  });

  test("every request is counted by how it failed, a decline as none", () => {
    const watch = watched();
    for (const status of [200, 402, 401, 403, 429, 500, null]) watch.note(status, "", performance.now());
    expect(counted).toEqual([null, null, "refused", "refused", "rate_limited", "server_error", "no_answer"]);
  });
});
