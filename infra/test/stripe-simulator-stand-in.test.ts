import { startTestSimulator, type TestSimulator } from "@holdfast/testing/simulator.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const publishable = { authorization: "Bearer pk_test_shop" };

describe("what the payment simulator gives to browsers", () => {
  let simulator: TestSimulator;
  beforeAll(async () => {
    simulator = await startTestSimulator({ secretKey: "sk_test_simulator" });
  });
  afterAll(() => simulator.close());

  const get = (path: string, headers: Record<string, string> = {}) => fetch(`${simulator.url}${path}`, { headers });
  const makeToken = (number: string, more: Record<string, string> = {}) => {
    const card = { number, exp_month: "12", exp_year: "2040", cvc: "123", ...more };
    const body = new URLSearchParams({ "payment_method_data[type]": "card" });
    for (const [name, value] of Object.entries(card)) body.set(`payment_method_data[card][${name}]`, value);
    return fetch(`${simulator.url}/v1/confirmation_tokens`, { method: "POST", headers: publishable, body });
  };
  const charge = (confirmation_token: string) =>
    simulator.stripe.paymentIntents.create({ amount: 1_999, currency: "eur", confirmation_token, confirm: true });

  test.each([
    ["/_simulator/stripe.js", "text/javascript"],
    ["/_simulator/bank-dialog.js", "text/javascript"],
    ["/_simulator/card-form", "text/html"],
    ["/_simulator/card-form.js", "text/javascript"],
    ["/_simulator/card-form.css", "text/css"],
  ])("%s is served to the pages of every origin", async (path, type) => {
    const response = await get(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain(type);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("cross-origin-resource-policy")).toBe("cross-origin");
  });

  test("nothing in the card form is inline, and each of its fields has a label", async () => {
    const html = await (await get("/_simulator/card-form")).text();
    expect(html).not.toMatch(/<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=/);
    const inputs = [...html.matchAll(/<input id="(\w+)"/g)].map(([, id]) => id);
    expect(inputs).toEqual(["number", "expiry", "cvc"]);
    for (const id of inputs) expect(html).toContain(`<label for="${id}">`);
  });

  test.each([
    ["4242424242424242", "succeeded"],
    ["4000 0025 0000 3155", "requires_action"],
  ])("the card %s becomes a token, and its payment %s", async (number, status) => {
    const response = await makeToken(number);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    const token = (await response.json()) as { id: string };
    expect(JSON.stringify(token)).not.toContain(number.replaceAll(" ", ""));
    expect(token).toMatchObject({ payment_method_preview: { card: { last4: number.slice(-4), exp_year: 2040 } } });
    expect(await charge(token.id)).toMatchObject({ status });
  });

  test.each([
    ["4000000000000002", "card_declined", "generic_decline"],
    ["4000000000009995", "card_declined", "insufficient_funds"],
    ["4000000000000069", "expired_card", "expired_card"],
  ])("the card %s becomes a token, and its payment is declined: %s, %s", async (number, code, decline_code) => {
    const token = (await (await makeToken(number)).json()) as { id: string };
    await expect(charge(token.id)).rejects.toMatchObject({ statusCode: 402, code, decline_code });
  });

  test.each([
    ["no test card", "4111111111111111", {}, "card_declined"],
    ["a month there is none of", "4242424242424242", { exp_month: "13" }, "invalid_expiry_month"],
    ["a date that is past", "4242424242424242", { exp_year: "2020" }, "invalid_expiry_year"],
    ["no security code", "4242424242424242", { cvc: "" }, "invalid_cvc"],
  ])("%s becomes no token", async (_what, number, more, code) => {
    const response = await makeToken(number, more);
    expect(response.status).toBe(402);
    expect(await response.json()).toMatchObject({ error: { type: "card_error", code } });
  });

  test("the publishable key makes tokens and sees a payment by its client secret, and does nothing else", async () => {
    const { id } = (await (await makeToken("4242424242424242")).json()) as { id: string };
    const paid = await charge(id);
    const seen = await get(`/v1/payment_intents/${paid.id}?client_secret=${paid.client_secret}`, publishable);
    const shown = await seen.json();
    expect(shown).toMatchObject({ id: paid.id, status: "succeeded", client_secret: paid.client_secret });
    expect(shown).not.toHaveProperty("metadata");
    const statusOf = async (path: string) => (await get(path, publishable)).status;
    expect(await statusOf(`/v1/payment_intents/${paid.id}`)).toBe(400);
    expect(await statusOf(`/v1/payment_intents/${paid.id}?client_secret=${paid.id}_secret_guess`)).toBe(400);
    expect(await statusOf("/v1/payment_intents")).toBe(403);
    expect(await statusOf(`/v1/confirmation_tokens/${id}`)).toBe(403);
    expect(await statusOf("/v1/refunds")).toBe(403);
    const refund = await fetch(`${simulator.url}/v1/refunds`, {
      method: "POST",
      headers: publishable,
      body: new URLSearchParams({ payment_intent: paid.id }),
    });
    expect(refund.status).toBe(403);
  });

  test("a page of another origin may ask with its key, and reads the bank's refusals, too", async () => {
    const preflight = await fetch(`${simulator.url}/v1/confirmation_tokens`, { method: "OPTIONS" });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
    const refused = await fetch(`${simulator.url}/_simulator/authenticate`, {
      method: "POST",
      body: new URLSearchParams({ client_secret: "pi_none_secret_none", succeed: "true" }),
    });
    expect(refused.status).toBe(404);
    expect(refused.headers.get("access-control-allow-origin")).toBe("*");
  });
});
