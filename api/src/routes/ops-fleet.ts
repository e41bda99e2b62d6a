import { type DeadJob, listDeadJobs } from "@holdfast/shared/dead-jobs.ts";
import { laneQueueName } from "@holdfast/shared/lanes.ts";
import { Type } from "typebox";
import { bodyRefusals, described, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import { Problem } from "../http/problems.ts";
import { appendAudit } from "../ops/audit.ts";
import { type OpsParts, opsActRefusals, opsRefusals, opsSecurity as security } from "../ops/ops-parts.ts";
import { replayJob } from "../ops/replay-job.ts";

const tags = ["operations"];
const laneBody = Type.Object({ number: Type.Integer(), paused: Type.Boolean() }, { title: "Lane" });
const deadJobs = Type.Object(
  {
    jobs: Type.Array(
      Type.Object({
        id: Type.String({ description: "what replay takes: `lane-0/job-…`, `webhook/evt_…`" }),
        queue: Type.String(),
        title: Type.String(),
        itemId: Type.Unsafe<string | null>({ type: ["string", "null"] }),
        orders: Type.Unsafe<number | null>({ type: ["integer", "null"] }),
        failedAt: Type.String({ format: "date-time" }),
        reason: Type.String(),
      }),
    ),
  },
  { title: "DeadJobs" },
);
const replayed = Type.Object({ id: Type.String(), outcome: Type.String({ enum: ["waits"] }) }, { title: "Replayed" });

/** Lanes and dead jobs. */
export function opsFleetRoutes(app: App, parts: OpsParts): void {
  for (const action of ["pause", "resume"] as const) laneRoute(app, parts, action);
  deadJobRoutes(app, parts);
}

/**
 * A lane that is paused gives out no further job: what is in it keeps its place, and shoppers read
 * "Waiting in line". Redis does it; the entry in the audit trail comes first, since it must not be
 * missing.
 */
function laneRoute(app: App, { db, lanes }: OpsParts, action: "pause" | "resume"): void {
  app.post(
    `/api/lanes/:lane/${action}`,
    {
      schema: {
        operationId: `${action}Lane`,
        summary: action === "pause" ? "Let a lane decide no further orders for now" : "Let a lane go on",
        tags,
        security,
        params: Type.Object({ lane: Type.String() }),
        response: {
          200: described(laneBody, "the lane"),
          ...refusals(...opsActRefusals, ...bodyRefusals, "lane_not_found"),
        },
      },
    },
    async (request) => {
      const { lane } = request.params as { lane: string };
      const queue = /^\d{1,3}$/.test(lane) ? lanes.find(({ name }) => name === laneQueueName(Number(lane))) : undefined;
      if (!queue) throw new Problem("lane_not_found", "There is no lane with this number.");
      const number = Number(lane);
      const before = { paused: await queue.isPaused() };
      const after = { paused: action === "pause" };
      if (before.paused !== after.paused) {
        await appendAudit(db, request.operator, { action: `lane.${action}`, subject: `lane ${number}`, before, after });
        await (action === "pause" ? queue.pause() : queue.resume());
      }
      return { number, ...after };
    },
  );
}

function deadJobRoutes(app: App, parts: OpsParts): void {
  const queues = [...parts.lanes, parts.webhooks];
  app.get(
    "/api/jobs/failed",
    {
      schema: {
        operationId: "listDeadJobs",
        summary: "Jobs that failed for good, with their reasons",
        tags,
        security,
        response: { 200: described(deadJobs, "a hundred of each queue at most"), ...refusals(...opsRefusals) },
      },
    },
    async () => ({ jobs: (await listDeadJobs(queues)).map(showDeadJob) }),
  );
  app.post(
    "/api/jobs/:jobId/replay",
    {
      schema: {
        operationId: "replayJob",
        summary: "Put a dead job in line again",
        tags,
        security,
        params: Type.Object({ jobId: Type.String() }),
        response: {
          202: described(replayed, "it is in line again"),
          ...refusals(...opsActRefusals, ...bodyRefusals, "job_not_found", "job_not_dead"),
        },
      },
    },
    async (request, reply) => {
      const { jobId } = request.params;
      await replayJob(parts, request.operator, jobId);
      return reply.code(202).send({ id: jobId, outcome: "waits" });
    },
  );
}

function showDeadJob({ name, reason, failedAtMs, itemId, orders }: DeadJob) {
  const [queue = ""] = name.split("/");
  return {
    id: name,
    queue,
    title: deadJobTitle(queue, itemId, orders),
    itemId,
    orders,
    failedAt: new Date(failedAtMs).toISOString(),
    reason,
  };
}

function deadJobTitle(queue: string, itemId: string | null, orders: number | null): string {
  if (queue === "webhook") return "An event of the payment provider";
  if (orders === null) return "What is no purchase job";
  return `${itemId ?? "No item"} · ${orders === 1 ? "1 order" : `${orders} orders`}`;
}
