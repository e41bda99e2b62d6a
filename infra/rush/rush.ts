import { setTimeout as sleep } from "node:timers/promises";
import { SignJWT } from "jose";
import type { LedgerEntry } from "../stripe-simulator/provider.ts";
import { type AuditInput, audit } from "./audit.ts";
import { type Fare, runCrowd } from "./crowd.ts";
import { makeReport, type Report } from "./report.ts";

export interface RushOptions {
  readonly urls: readonly string[];
  readonly opsPassword: string;
  readonly simulatorUrl: string;
  readonly buyers: number;
  readonly units: number;
  /** Which share of the shoppers comes with a card that is declined, 0 … 1. */
  readonly declines: number;
  readonly tokens: readonly string[];
  readonly countOrderRows: ((itemId: string) => Promise<number>) | null;
  readonly onFare?: (fare: Fare) => void;
}

const price = 1_999;
const connections = 200; // a few hundred keep-alive connections, as a load balancer would hold
const patienceMs = 180_000;

/** Puts a new item on sale, lets everyone at it, and audits what came of it. */
export async function rush(options: RushOptions): Promise<Report> {
  const { units, opsPassword, simulatorUrl } = options;
  const itemId = `rush-${Date.now().toString(36)}`;
  const ops = opsClient(options.urls[0] ?? "", opsPassword);
  await ops("PUT", `items/${itemId}`, { name: "Rush", price, currency: "eur", units });
  await sleep(500); // the announcement of a new item reaches every API server

  const fares = await runCrowd({
    urls: options.urls,
    itemId,
    tokens: options.tokens,
    paymentMethodOf: (shopper) => (declined(shopper, options.declines) ? "pm_card_chargeDeclined" : "pm_card_visa"),
    connections,
    patienceMs,
    ...(options.onFare && { onFare: options.onFare }),
  });
  const books = (await ops("GET", `items/${itemId}/books`)) as AuditInput["books"];
  const ledger = (await (await fetch(`${simulatorUrl}/_simulator/ledger`)).json()) as { payments: LedgerEntry[] };
  const orderRows = options.countOrderRows ? await options.countOrderRows(itemId) : null;
  return makeReport(fares, units, audit({ itemId, units, price, fares, books, ledger: ledger.payments, orderRows }));
}

/** Spread evenly over the line, the same in every run. */
function declined(shopper: number, share: number): boolean {
  return Math.floor((shopper + 1) * share) > Math.floor(shopper * share);
}

function opsClient(url: string, password: string) {
  const authorization = `Basic ${Buffer.from(`ops:${password}`).toString("base64")}`;
  return async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${url}/ops/api/${path}`, {
      method,
      headers: { authorization, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
}

/** Tokens of made-up shoppers, signed with the secret of a system of our own. */
export async function signTokens(jwtSecret: string, count: number): Promise<string[]> {
  const secret = new TextEncoder().encode(jwtSecret);
  return Promise.all(
    Array.from({ length: count }, (_, i) =>
      new SignJWT()
        .setProtectedHeader({ alg: "HS256" })
        .setSubject(`shopper-${i}-${crypto.randomUUID()}`)
        .setExpirationTime("1h")
        .sign(secret),
    ),
  );
}

/** Tokens from a running system that gives out guest sessions. */
export async function fetchTokens(url: string, count: number): Promise<string[]> {
  const tokens: string[] = [];
  while (tokens.length < count) {
    const size = Math.min(100, count - tokens.length);
    const sessions = Array.from({ length: size }, async () => {
      const response = await fetch(`${url}/sessions`, { method: "POST" });
      if (response.status !== 201) throw new Error(`POST /sessions: ${response.status} ${await response.text()}`);
      return ((await response.json()) as { token: string }).token;
    });
    tokens.push(...(await Promise.all(sessions)));
  }
  return tokens;
}
