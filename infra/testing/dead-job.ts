import { type Job, type Queue, UnrecoverableError, Worker } from "bullmq";
import { eventually, type World } from "./world.ts";

/** A job that failed for good, as a poisonous one would. */
export async function addDeadJob(queue: Queue, world: World): Promise<Job> {
  const job = await queue.add("purchase", { poison: true });
  const worker = new Worker(
    queue.name,
    async () => {
      throw new UnrecoverableError("poison");
    },
    { connection: world.redis, prefix: world.keys.queues },
  );
  await eventually("it is dead", async () => (await job.getState()) === "failed");
  await worker.close();
  return job;
}
