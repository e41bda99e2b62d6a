import type { Report } from "./report.ts";
import { opsClient, type RushOptions, rush } from "./rush.ts";

/**
 * A rehearsal: a rush against a system that runs, on items that are marked as such. They are in no
 * list, nobody is charged for them under a live key, the shop is not told of them; afterwards all
 * of it is deleted.
 */

export const rehearsalPrefix = "rehearsal-";

const momentMs = 10_000; // the sale is measured every second
const deletePatienceMs = 120_000; // holds that were declined end with their orders at once; those in line with the line
const lookEveryMs = 1_000;

/** @throws with one clear line where the system must not, or cannot, be rehearsed on */
export async function rehearse(options: RushOptions): Promise<Report> {
  const { opsPassword } = options;
  const url = options.urls[0] ?? "";
  const kind = await providerOf(url, opsPassword);
  if (kind === "live") throw new Error("Its workers charge under a live key: rehearse on a system in test mode");
  if (kind === null) throw new Error("None of its workers charges: start one with the role charge");
  await cleanUp(url, opsPassword);
  try {
    return await rush({ ...options, idPrefix: rehearsalPrefix });
  } finally {
    await cleanUp(url, opsPassword);
  }
}

/**
 * Deletes what rehearsals have left, this one or one that was killed.
 * @throws where some of it cannot be deleted in time
 */
export async function cleanUp(url: string, opsPassword: string): Promise<void> {
  const ops = opsClient(url, opsPassword);
  const deadlineMs = Date.now() + deletePatienceMs;
  for (;;) {
    const { items } = (await ops("GET", `items?prefix=${rehearsalPrefix}`)) as { items: { id: string }[] };
    if (items.length === 0) return;
    const kept: unknown[] = [];
    for (const { id } of items) await ops("DELETE", `items/${id}`).catch((error: unknown) => kept.push(error));
    if (kept.length === 0) continue; // there may be a thousand more
    if (Date.now() > deadlineMs) throw new Error(`A rehearsal could not be deleted: ${(kept[0] as Error).message}`);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

/** At what of a provider the system charges, as its operations room shows it. */
async function providerOf(url: string, password: string): Promise<string | null> {
  const authorization = `Basic ${Buffer.from(`ops:${password}`).toString("base64")}`;
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), momentMs);
  try {
    const answer = await fetch(`${url}/ops/api/live`, { headers: { authorization }, signal: controller.signal });
    if (!answer.ok) throw new Error(`GET /ops/api/live: ${answer.status} ${await answer.text()}`);
    let text = "";
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString();
      const [, sale] = /^event: sale\ndata: (.*)\n\n/m.exec(text) ?? [];
      if (sale !== undefined) return (JSON.parse(sale) as { provider: { kind: string | null } }).provider.kind;
    }
    return null;
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    throw new Error(`GET /ops/api/live sent no sale within ${momentMs / 1_000} s`, { cause: error });
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}
