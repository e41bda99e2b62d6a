import { type DeadJob, type KeptQueue, replayDeadJob } from "@holdfast/shared/dead-jobs.ts";

/** What `npm run replay` does and prints. */

/**
 * Puts a dead job in line again, behind those that wait.
 * @returns resolves with what became of it, once a worker had it or `patienceMs` are over
 * @throws with one clear line where there is no such dead job
 */
export async function replayJob(
  queues: readonly KeptQueue[],
  name: string,
  patienceMs: number,
): Promise<{ outcome: "done" | "waits" } | { outcome: "dead"; reason: string }> {
  const { queue, job } = await replayDeadJob(queues, name);

  const deadline = Date.now() + patienceMs;
  while (Date.now() < deadline) {
    const state = await job.getState();
    // A finished job may be swept away at once.
    if (state === "completed" || state === "unknown") return { outcome: "done" };
    if (state === "failed") {
      const again = await queue.getJob(job.id ?? "");
      return { outcome: "dead", reason: again?.failedReason || "no reason given" };
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { outcome: "waits" };
}

export function printDeadJobs(jobs: readonly DeadJob[], nowMs: number): string {
  if (jobs.length === 0) return "No dead jobs.";
  const lines = jobs.map(({ name, itemId, orders, failedAtMs, reason }) =>
    [
      name,
      itemId ?? "-",
      orders === null ? "-" : `${orders} orders`,
      age(nowMs - failedAtMs),
      reason.split("\n")[0] ?? "",
    ].join("  "),
  );
  return [...lines, "", "npm run replay -- <job> puts one in line again."].join("\n");
}

function age(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.max(0, Math.floor(ms / 1_000))} s ago`;
  if (minutes < 120) return `${minutes} min ago`;
  return minutes < 2_880 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / 1_440)} days ago`;
}
