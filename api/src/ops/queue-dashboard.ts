import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { FastifyAdapter } from "@bull-board/fastify";
import { deadJobName } from "@holdfast/shared/dead-jobs.ts";
import type { Queue } from "bullmq";
import { foreignPagePolicy } from "../http/content-security-policy.ts";
import type { App } from "../http/fastify-app.ts";
import { Problem } from "../http/problems.ts";
import { jobProgress } from "./job-progress.ts";
import type { OpsParts } from "./ops-parts.ts";
import { replayJob } from "./replay-job.ts";
import { jobTitle, queueTitle, readable } from "./show-job.ts";

const basePath = "/ops/queues";
const apiPath = `${basePath}/api/queues`;
const jobRoute = `${apiPath}/:queueName/:jobId`;
const retryRoute = `${apiPath}/:queueName/:jobId/retry`;

/**
 * The queue dashboard under `/ops/queues`: to look at, and to put a dead job in line again. A job
 * in a lane holds orders with a 202, which nobody may empty, remove, promote or hold up from a web
 * page.
 */
export async function queueDashboard(app: App, parts: OpsParts): Promise<void> {
  const queues: readonly Queue[] = [...parts.lanes, parts.charges, parts.webhooks];
  const dashboard = new FastifyAdapter();
  dashboard.setBasePath(basePath);
  createBullBoard({
    // It refuses by itself too, and hides its buttons.
    queues: queues.map(readOnlyAdapter),
    serverAdapter: dashboard,
    options: { uiConfig: { boardTitle: "Holdfast" } },
  });
  // Its own handler shows an error's message, and in development its stack: errors go on to ours.
  dashboard.setErrorHandler((error) => {
    throw error;
  });

  app.addHook("onRequest", async (_request, reply) => {
    reply.header("content-security-policy", foreignPagePolicy);
  });
  // Its read-only mode refuses to retry, too: that is done here, and all else is refused.
  app.addHook("preHandler", async (request, reply) => {
    if (request.method === "GET" || request.method === "HEAD") return;
    if (request.method !== "PUT" || request.routeOptions.url !== retryRoute) {
      reply.header("allow", "GET, HEAD");
      throw new Problem("method_not_allowed", "The dashboard only shows, but for putting a dead job in line again.");
    }
    const { queueName, jobId } = request.params as { queueName: string; jobId: string };
    await replayJob(parts, request.operator, deadJobName(queueName, jobId));
    return reply.code(204).send();
  });
  app.addHook("preSerialization", async (request, _reply, payload) => {
    const { activeQueue, status } = request.query as { activeQueue?: string; status?: string };
    const shown = payload as { queues?: ShownQueue[]; job?: ShownJob };
    if (request.routeOptions.url === jobRoute && shown.job) await addProgress(parts, [shown.job]);
    if (request.routeOptions.url !== apiPath || !Array.isArray(shown.queues)) return payload;
    const active = shown.queues.find(({ name }) => name === activeQueue);
    await addProgress(parts, active?.jobs ?? []);
    // Its buttons are hidden for good in read-only mode. Among the dead jobs they are shown, so
    // that one can be retried; the others there are refused as everywhere. What failed about a
    // payment is the sweeper's to try again.
    if (active && status === "failed" && activeQueue !== parts.charges.name) {
      Object.assign(active, { readOnlyMode: false, allowRetries: true });
    }
    return payload;
  });
  app.addHook("onSend", async (_request, reply, payload) => {
    const isPage = String(reply.getHeader("content-type") ?? "").startsWith("text/html");
    return isPage && typeof payload === "string" ? payload.replaceAll(fontLink, "") : payload;
  });
  await app.register(dashboard.registerPlugin());
}

interface ShownJob {
  readonly data?: unknown;
  progress: unknown;
}

interface ShownQueue {
  readonly name: string;
  readonly jobs: ShownJob[];
}

/** Where Postgres does not answer, jobs are shown without. */
async function addProgress({ db }: OpsParts, jobs: readonly ShownJob[]): Promise<void> {
  const found = await jobProgress(
    db,
    jobs.map(({ data }) => data),
  ).catch(() => []);
  for (const [i, job] of jobs.entries()) job.progress = found[i] ?? job.progress;
}

/**
 * It asks for a font of somebody else's, which our policy forbids anyway: nobody is told who looks.
 */
const fontLink = /<link[^>]*href="https:\/\/fonts\.[^>]*>/g;

function readOnlyAdapter(queue: Queue): BullMQAdapter {
  const adapter = new BullMQAdapter(queue, { readOnlyMode: true, displayName: queueTitle(queue.name) });
  adapter.setFormatter("name", jobTitle);
  adapter.setFormatter("data", readable);
  return adapter;
}
