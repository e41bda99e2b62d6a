import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { FastifyInstance } from "fastify";
import type { Clock } from "./clock.ts";
import type { IdempotencyKeys } from "./idempotency.ts";
import type { Provider } from "./provider.ts";

const writeEveryMs = 500; // what a kill may cost: half a second of payments that only the shop knows of

/**
 * What outlives the simulator's process: payments, keys, and how far ahead its clock is. Settings
 * are its user's.
 */
export interface Memory {
  readonly provider: Provider;
  readonly keys: IdempotencyKeys;
  readonly clock: Clock;
}

/** Reads what was remembered, and writes it down every half second and at the end. */
export function rememberIn(app: FastifyInstance, file: string, { provider, keys, clock }: Memory): void {
  if (existsSync(file)) {
    const kept = JSON.parse(readFileSync(file, "utf8")) as {
      provider: object;
      keys: object;
      clock?: { aheadMs: number };
    };
    provider.restore(kept.provider);
    keys.restore(kept.keys);
    if (kept.clock) clock.restore(kept.clock);
  }
  let written = "";
  const write = () => {
    const text = JSON.stringify({ provider: provider.snapshot(), keys: keys.snapshot(), clock: clock.snapshot() });
    if (text === written) return;
    writeFileSync(`${file}.new`, text); // then renamed: a crash leaves the old or the new, never half of one
    renameSync(`${file}.new`, file);
    written = text;
  };
  const timer = setInterval(write, writeEveryMs);
  app.addHook("onClose", async () => {
    clearInterval(timer);
    write();
  });
}
