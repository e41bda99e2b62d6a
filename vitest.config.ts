import { defineConfig } from "vitest/config";

// `unit` needs nothing but Node and takes seconds; `integration` runs on real Postgres and Redis
// (infra/testing/servers.ts); `e2e` starts whole systems as processes of their own, so its files
// run one after the other. `scale` (npm run test:scale) fills Postgres with two million orders
// first.
const servers = "infra/testing/servers.ts";
const setupFiles = "infra/testing/configure-fast-check.ts"; // fixed seeds

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          setupFiles,
          include: ["*/test/**/*.test.ts"],
          exclude: ["**/*.{integration,e2e,scale}.test.ts", "**/node_modules/**"],
        },
      },
      {
        test: {
          name: "integration",
          setupFiles,
          include: ["*/test/**/*.integration.test.ts"],
          globalSetup: servers,
          testTimeout: 30_000,
          maxWorkers: 2, // on two cores, too: most of a test is waiting
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "e2e",
          setupFiles,
          include: ["*/test/**/*.e2e.test.ts"],
          globalSetup: servers,
          testTimeout: 240_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: "scale",
          include: ["*/test/**/*.scale.test.ts"],
          globalSetup: servers,
          testTimeout: 120_000,
          hookTimeout: 240_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
