import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectStripe } from "../src/payment/connect-stripe.ts";
import { type ProviderErrorClass, type ProviderWatch, watchProvider } from "../src/payment/watch-provider.ts";

describe("what the provider says of a request that failed", () => {
  let answer: readonly [status: number, body: string] = [200, "{}"];
  const server = createServer((_request, response) => {
    response.writeHead(answer[0], { "content-type": "application/json" }).end(answer[1]);
  });
  let watch: ProviderWatch;
  let counted: (ProviderErrorClass | null)[];
  const stripe = () => {
    counted = [];
    watch = watchProvider(
      () => {},
      (failed) => void counted.push(failed),
    );
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return connectStripe({ STRIPE_SECRET_KEY: "sk_test_1", STRIPE_API_BASE: base }, async () => {}, watch);
  };
  beforeAll(() => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve)));
  afterAll(() => new Promise((resolve) => void server.close(resolve)));

  const charge = () => stripe().paymentIntents.create({ amount: 1, currency: "eur" });
  const look = () => stripe().paymentIntents.retrieve("pi_1");
  const error = (more: object) => JSON.stringify({ error: { type: "invalid_request_error", ...more } });

  test.each([
    [
      "a charge in a currency that is not activated",
      charge,
      400,
      error({ message: "No EUR.", param: "currency" }),
      "refused",
      "No EUR.",
    ],
    ["a wrong key", charge, 401, error({ message: "Invalid API Key provided" }), "refused", "Invalid API Key provided"],
    ["too many requests", look, 429, error({ message: "Slow down." }), "rate_limited", "Slow down."],
    ["a page of a proxy's", look, 502, "<html>", "server_error", "the answer was 502"],
  ] as const)("%s is counted once, in its own words", async (_, ask, status, body, failed, text) => {
    answer = [status, body];
    await expect(ask()).rejects.toBeInstanceOf(Error);
    expect(counted).toEqual([failed]);
    expect(watch.lastError()?.text).toBe(text);
  });

  test.each([
    ["a card that there is none of", charge, 400, error({ message: "No such card", param: "payment_method" })],
    ["a token that was used", charge, 400, error({ message: "Used", param: "confirmation_token" })],
    ["a declined card", charge, 402, JSON.stringify({ error: { type: "card_error", code: "card_declined" } })],
    ["a question about a payment that there is none of", look, 404, error({ message: "No such payment_intent" })],
  ] as const)("%s is an answer, and no error of the provider's", async (_, ask, status, body) => {
    answer = [status, body];
    await expect(ask()).rejects.toBeInstanceOf(Error);
    expect(counted).toEqual([null]);
    expect(watch.lastError()).toBeNull();
  });
});
