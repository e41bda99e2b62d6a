import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { startPostgres } from "@holdfast/infra/local/postgres.ts";
import { startRedis } from "@holdfast/infra/local/redis.ts";
import type { TestProject } from "vitest/node";
import type {} from "./provided.ts";

interface TestServer {
  readonly url: string;
  readonly origin: string;
  stop(): Promise<void>;
}

/**
 * Postgres and Redis for the tests: those of DATABASE_URL and REDIS_URL where given (and then
 * nothing else), otherwise in containers where a Docker engine answers, otherwise started here.
 * Says once which it was.
 */
export default async function setup(project: TestProject) {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  const docker = !process.env.DATABASE_URL || !process.env.REDIS_URL ? await dockerAnswers() : false;
  const [postgres, redis] = await bothOrNeither(testPostgres(directory, docker), testRedis(directory, docker));
  process.stdout.write(`${project.name} tests: Postgres ${postgres.origin}, Redis ${redis.origin}\n`);
  project.provide("databaseUrl", postgres.url);
  project.provide("redisUrl", redis.url);
  return async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
    await rm(directory, { recursive: true, force: true });
  };
}

/** Both servers; where one cannot be had, the other is stopped before that is said. */
async function bothOrNeither(
  ...starting: [Promise<TestServer>, Promise<TestServer>]
): Promise<[TestServer, TestServer]> {
  const [one, other] = await Promise.allSettled(starting);
  if (one.status === "fulfilled" && other.status === "fulfilled") return [one.value, other.value];
  for (const result of [one, other]) if (result.status === "fulfilled") await result.value.stop();
  throw one.status === "rejected" ? one.reason : (other as PromiseRejectedResult).reason;
}

const nothingToStop = async () => {};

async function testPostgres(directory: string, docker: boolean): Promise<TestServer> {
  if (process.env.DATABASE_URL)
    return { url: process.env.DATABASE_URL, origin: "of DATABASE_URL", stop: nothingToStop };
  if (!docker) {
    // A crash of this machine may lose a test's data, the crash of a process does not: so no fsync.
    const server = await startPostgres(join(directory, "postgres"), { settings: ["fsync=off"], createDatabases: true });
    return { url: server.url, origin: "started here", stop: () => server.stop() };
  }
  const { GenericContainer, Wait } = await import("testcontainers");
  const container = await new GenericContainer(process.env.TEST_POSTGRES_IMAGE ?? "postgres:17-alpine")
    .withEnvironment({ POSTGRES_USER: "holdfast", POSTGRES_PASSWORD: "holdfast", POSTGRES_DB: "holdfast" })
    .withExposedPorts(5432)
    // Twice: the image starts a server to set itself up, ends it, and starts the one that stays.
    .withWaitStrategy(
      Wait.forAll([Wait.forListeningPorts(), Wait.forLogMessage(/ready (to accept connections|for start up)/)]),
    )
    .start();
  const url = `postgres://holdfast:holdfast@${container.getHost()}:${container.getMappedPort(5432)}/holdfast`;
  return { url, origin: "in a container", stop: async () => void (await container.stop()) };
}

async function testRedis(directory: string, docker: boolean): Promise<TestServer> {
  if (process.env.REDIS_URL) return { url: process.env.REDIS_URL, origin: "of REDIS_URL", stop: nothingToStop };
  if (!docker) {
    const server = await startRedis(join(directory, "redis"), (text) => process.stdout.write(`${text}\n`));
    return { url: server.url, origin: "started here", stop: () => server.stop() };
  }
  const { GenericContainer } = await import("testcontainers");
  const container = await new GenericContainer(process.env.TEST_REDIS_IMAGE ?? "redis:7-alpine")
    .withCommand(["redis-server", "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"])
    .withExposedPorts(6379)
    .start();
  const url = `redis://${container.getHost()}:${container.getMappedPort(6379)}`;
  return { url, origin: "in a container", stop: async () => void (await container.stop()) };
}

/**
 * Asked through the client, which knows where an engine may be; without a client there is none to
 * use.
 */
async function dockerAnswers(): Promise<boolean> {
  return promisify(execFile)("docker", ["version", "--format", "{{.Server.Version}}"], { timeout: 5_000 }).then(
    () => true,
    () => false,
  );
}
