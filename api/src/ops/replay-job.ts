import { NoSuchDeadJob, replayDeadJob } from "@holdfast/shared/dead-jobs.ts";
import { Problem } from "../http/problems.ts";
import { appendAudit } from "./audit.ts";
import type { Operator } from "./ops-guard.ts";
import type { OpsParts } from "./ops-parts.ts";

/**
 * Puts a dead job in line again. The entry in the audit trail comes first, since it must not be
 * missing: the job is in Redis.
 * @param name such as `lane-0/17`
 * @throws Problem where there is no such job, or it is not dead
 */
export async function replayJob(
  { db, lanes, webhooks }: Pick<OpsParts, "db" | "lanes" | "webhooks">,
  operator: Operator,
  name: string,
): Promise<void> {
  const note = ({ failedReason }: { readonly failedReason: string }) =>
    appendAudit(db, operator, {
      action: "job.replay",
      subject: `job ${name}`,
      before: { reason: failedReason },
      after: null,
    });
  await replayDeadJob([...lanes, webhooks], name, note).catch((error: unknown) => {
    if (!(error instanceof NoSuchDeadJob)) throw error;
    if (error.why === "missing") throw new Problem("job_not_found", "There is no such job.");
    throw new Problem("job_not_dead", "Only a dead job can be put in line again.");
  });
}
