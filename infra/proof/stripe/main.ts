import { spawn } from "node:child_process";
import { once } from "node:events";
import { readTestKey } from "./test-key.ts";

/**
 * `npm run test:stripe`: tries on Stripe's own test mode what Holdfast expects of it, by the tests
 * that the simulator passes in `npm test` (infra/test/provider-contract.ts). What follows the
 * command goes to vitest, such as `-- -t "confirmation token"`.
 */
const read = readTestKey(process.env);
switch (read.kind) {
  case "test_key":
    process.exitCode = await runTests();
    break;
  case "no_test_key":
    process.stderr.write(
      "test:stripe: STRIPE_SECRET_KEY is no secret key of Stripe's test mode (sk_test_…): nothing was sent.\n",
    );
    process.exitCode = 1;
    break;
  case "missing":
    process.stdout.write(`Nothing was tried: there is no STRIPE_SECRET_KEY.

With the secret key of your Stripe account's test mode this makes some fifty payments of 19.99 EUR there,
with Stripe's test cards and without any money: paid, declined, canceled, refunded, waiting for 3-D Secure,
by payment method and by confirmation token. It checks that Stripe answers as Holdfast expects, with the
tests that the payment simulator passes in npm test, and takes about two minutes. The payments stay in
your dashboard.

  STRIPE_SECRET_KEY=sk_test_… npm run test:stripe
`);
    process.exitCode = 1; // not 0: a pipeline without the key has tested nothing
}

async function runTests(): Promise<number> {
  const vitest = spawn("vitest", ["run", "--project", "stripe", ...process.argv.slice(2)], { stdio: "inherit" });
  process.on("SIGINT", () => {}); // Ctrl-C reaches vitest too; its exit code is ours
  const [code] = (await once(vitest, "exit")) as [number | null];
  return code ?? 1;
}
