import { startTestSimulator } from "@holdfast/testing/simulator.ts";
import { describe } from "vitest";
import { ProviderCalls } from "./provider-calls.ts";
import { providerContract } from "./provider-contract.ts";

describe("the payment simulator, as the worker's provider", () => {
  const open = async () => {
    const simulator = await startTestSimulator();
    const answerBank = (client_secret: string, succeed: boolean) =>
      fetch(`${simulator.url}/_simulator/authenticate`, {
        method: "POST",
        body: new URLSearchParams({ client_secret, succeed: String(succeed) }),
      });
    return { ...simulator, answerBank };
  };
  providerContract(new ProviderCalls(true, open));
});
