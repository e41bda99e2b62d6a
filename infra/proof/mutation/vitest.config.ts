import { defineConfig } from "vitest/config";

/** The tests that mutants are shown to: those of the files that stryker.config.json names. */
export default defineConfig({
  test: {
    include: [
      "shared/test/order.test.ts",
      "shared/test/item.test.ts",
      "shared/test/show-order.test.ts",
      "worker/test/allocate.test.ts",
      "worker/test/classify-payment.test.ts",
      "worker/test/decide-settlement.test.ts",
      "worker/test/next-call.test.ts",
      "worker/test/item-lock.integration.test.ts",
    ],
    globalSetup: "infra/testing/servers.ts",
    hookTimeout: 60_000,
  },
});
