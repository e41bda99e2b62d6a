import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    stripeTestKey: string;
  }
}

/** A key that cannot move money; or why the provider's tests are not run. */
export type TestKey =
  | { readonly kind: "test_key"; readonly key: string }
  | { readonly kind: "missing" | "no_test_key" };

/**
 * Reads STRIPE_SECRET_KEY. Only `sk_test_…` is taken: under any other key the tests would charge
 * cards.
 */
export function readTestKey(env: Readonly<Record<string, string | undefined>>): TestKey {
  const key = env.STRIPE_SECRET_KEY ?? "";
  if (key === "") return { kind: "missing" };
  return /^sk_test_\w+$/.test(key) ? { kind: "test_key", key } : { kind: "no_test_key" };
}

/**
 * For `vitest --project stripe` without `npm run test:stripe`, too: no other key gets to a test.
 */
export default function setup(project: TestProject): void {
  const read = readTestKey(process.env);
  if (read.kind !== "test_key")
    throw new Error("STRIPE_SECRET_KEY has to be a secret key of Stripe's test mode, sk_test_…");
  project.provide("stripeTestKey", read.key);
}
