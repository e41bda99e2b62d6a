import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// `unit` needs nothing but Node and takes seconds; `integration` runs on real Postgres and Redis
// (infra/testing/servers.ts); `e2e` starts whole systems as processes of their own, so its files
// run one after the other. `scale` (npm run test:scale) is what lies beyond one machine, and two
// million orders in Postgres. `browser` (npm run test:browser) needs Chromium, `stripe` (npm run test:stripe) the key of
// a Stripe account.
const servers = "infra/testing/servers.ts";
const setupFiles = "infra/testing/configure-fast-check.ts"; // fixed seeds

/** Takes minutes: begun last, it would be waited for alone. */
const slow = /payment-load|reconcile-nights|fleet\.|failover\.|watch-generation/;

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return [
      ...sorted.filter(({ moduleId }) => slow.test(moduleId)),
      ...sorted.filter(({ moduleId }) => !slow.test(moduleId)),
    ];
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: SlowestFirst },
    projects: [
      {
        test: {
          name: "unit",
          setupFiles,
          include: ["{*,shared/client}/test/**/*.test.ts"],
          exclude: ["**/*.{integration,e2e,scale,stripe,browser,faults}.test.ts", "**/node_modules/**"],
        },
      },
      {
        test: {
          name: "integration",
          setupFiles,
          include: ["*/test/**/*.integration.test.ts"],
          globalSetup: servers,
          testTimeout: 30_000,
          maxWorkers: 3, // on two cores, too: most of a test is waiting
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
          // More than all that a sale under change waits for, so that it ends with its audit.
          testTimeout: 480_000,
          hookTimeout: 900_000, // programs of other releases and of Debian are installed
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: "browser",
          setupFiles,
          include: ["*/test/**/*.browser.test.ts"],
          globalSetup: [servers, "infra/testing/chromium.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 5 },
        },
      },
      {
        test: {
          name: "faults",
          setupFiles,
          include: ["*/test/**/*.faults.test.ts"],
          globalSetup: servers,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 6 },
        },
      },
      {
        test: {
          name: "stripe",
          include: ["*/test/**/*.stripe.test.ts"],
          globalSetup: "infra/proof/stripe/test-key.ts",
          testTimeout: 150_000, // a payment is in Stripe's search after a minute
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
