import { setTimeout as sleep } from "node:timers/promises";
import { SignJWT } from "jose";
import type { Chance } from "./chance.ts";
import type { Answer, ShopClient } from "./shop-client.ts";

/**
 * What happened to one shopper, as they saw it. Times are milliseconds since 1970, all on this
 * machine's clock.
 */
export interface Tale {
  readonly shopperId: string;
  readonly itemId: string;
  readonly quantity: number;
  /** Whether they sent an Idempotency-Key, and so could repeat their purchase safely. */
  readonly keyed: boolean;
  readonly paymentMethod: string;
  /** When the purchase was first sent. */
  readonly sentMs: number;
  posts: number;
  /** Whether some POST got no answer, or one that leaves it open whether there is an order. */
  unsure: boolean;
  /** The 202: when the request that got it was sent, when it came, and for which order. */
  askedMs: number | null;
  acceptedMs: number | null;
  orderId: string | null;
  /** Whether the 202 itself said that the order was cancelled: nothing was promised before. */
  cancelledAtOnce: boolean;
  /**
   * Other orders than the first that a repeat under the same key was answered with: there may be
   * none.
   */
  otherOrderIds: string[];
  /** The code of a final refusal. */
  refusal: string | null;
  /** When the order was first seen decided, and when in a final state, and which. */
  decidedMs: number | null;
  settledMs: number | null;
  told: string | null;
  /** How often an accepted order was said not to exist. */
  denied: number;
}

/** How a shopper behaves. */
export interface Character {
  readonly itemId: string;
  readonly quantity: number;
  readonly keyed: boolean;
  /** Whether they wait for a change of their order (long polls), or look again and again. */
  readonly waits: boolean;
  readonly paymentMethod: string;
  /** What they tell their bank, if it asks. */
  readonly authenticates: boolean;
  /** When they change their mind after the 202; null for those who don't. */
  readonly cancelsAfterMs: number | null;
}

export interface Surroundings {
  readonly client: ShopClient;
  readonly jwtSecret: string;
  readonly simulatorUrl: string;
  readonly chance: Chance;
  /** How long anyone goes on trying, and then waiting. */
  readonly patienceMs: number;
}

const finalStates = new Set(["confirmed", "cancelled", "out_of_stock", "rejected"]);
const pollEveryMs = [150, 300] as const;
const heldSeconds = 5; // shorter than the client's own patience, longer than nearly every change takes
const firstRetryMs = 200; // doubled each time, up to 2 s, and up to half of it again at random
const lastRetryMs = 2_000;

/**
 * One shopper from pressing Buy to the final answer, or until their patience ends. The tale is told
 * as it happens.
 */
export async function shop(around: Surroundings, character: Character, begin: (tale: Tale) => void): Promise<void> {
  const { itemId, quantity, keyed, paymentMethod } = character;
  const shopperId = `shopper-${crypto.randomUUID()}`;
  const token = await signToken(around.jwtSecret, shopperId);
  const tale: Tale = {
    shopperId,
    itemId,
    quantity,
    keyed,
    paymentMethod,
    sentMs: Date.now(),
    posts: 0,
    unsure: false,
    askedMs: null,
    acceptedMs: null,
    orderId: null,
    cancelledAtOnce: false,
    otherOrderIds: [],
    refusal: null,
    decidedMs: null,
    settledMs: null,
    told: null,
    denied: 0,
  };
  begin(tale);
  const deadlineMs = tale.sentMs + around.patienceMs;
  if (await buy(around, token, tale, deadlineMs)) await follow(around, token, character, tale, deadlineMs);
}

/** @returns whether there is a 202 */
async function buy(around: Surroundings, token: string, tale: Tale, deadlineMs: number): Promise<boolean> {
  const { client, chance } = around;
  const key = tale.keyed ? { key: `buy-${tale.shopperId}` } : {};
  for (let pauseMs = firstRetryMs; Date.now() < deadlineMs; pauseMs = Math.min(2 * pauseMs, lastRetryMs)) {
    tale.posts += 1;
    const askedMs = Date.now();
    const answer = await client.ask({
      method: "POST",
      path: `/purchase/${tale.itemId}`,
      token,
      ...key,
      body: { quantity: tale.quantity, paymentMethod: tale.paymentMethod },
      repeatable: tale.keyed,
    });
    const { id } = answer.body;
    if (answer.status === 202 && id !== undefined) {
      if (tale.orderId !== null && tale.orderId !== id) tale.otherOrderIds.push(id);
      tale.askedMs ??= askedMs;
      tale.acceptedMs ??= Date.now();
      if (tale.orderId === null) tale.cancelledAtOnce = answer.body.status === "cancelled";
      tale.orderId ??= id;
      note(tale, answer);
      return true;
    }
    const later = answer.status === 0 || answer.status === 503 || answer.status === 429;
    if (!later) {
      tale.refusal = answer.body.code ?? `status ${answer.status}`;
      return false;
    }
    // A 429, or a line that is full, is a plain no; after anything else an order may be there.
    if (answer.status !== 429 && answer.body.code !== "busy") tale.unsure = true;
    if (!tale.keyed && tale.unsure) return false;
    await sleep(chance.between(pauseMs, 1.5 * pauseMs));
  }
  return false;
}

/**
 * Polls until the final answer, and does on the way what the shopper does: speak with their bank,
 * or change their mind.
 */
async function follow(
  around: Surroundings,
  token: string,
  character: Character,
  tale: Tale,
  deadlineMs: number,
): Promise<void> {
  const { client, chance } = around;
  const path = `/orders/${tale.orderId}`;
  let cancelAtMs = character.cancelsAfterMs === null ? null : Date.now() + character.cancelsAfterMs;
  let asked = false;
  let seenTag: string | null = null; // as the storefront's client does
  while (tale.told === null && Date.now() < deadlineMs) {
    if (!character.waits) await sleep(chance.between(...pollEveryMs));
    const cancels = cancelAtMs !== null && Date.now() >= cancelAtMs;
    if (cancels) cancelAtMs = null;
    const holds = character.waits && cancelAtMs === null && !cancels;
    const answer = await client.ask({
      method: cancels ? "DELETE" : "GET",
      path,
      token,
      repeatable: true,
      ...(!cancels && { seenTag }),
      ...(holds && { waitSeconds: heldSeconds }),
    });
    if (character.waits && (answer.status !== 200 || !holds)) await sleep(chance.between(...pollEveryMs));
    if (answer.status === 404) {
      tale.denied += 1;
      // What was only in Redis may be gone with it: whoever has a key buys again, and it is the
      // same order.
      if (!tale.keyed || !(await buy(around, token, tale, deadlineMs))) return;
    }
    if (answer.status !== 200) continue;
    note(tale, answer);
    seenTag = answer.tag;
    const { payment } = answer.body;
    if (payment?.status === "requires_action" && payment.clientSecret && !asked) {
      asked = await answerBank(around.simulatorUrl, payment.clientSecret, character.authenticates);
    }
  }
}

function note(tale: Tale, { body }: Answer): void {
  const status = String(body.status);
  if (status !== "queued") tale.decidedMs ??= Date.now();
  if (!finalStates.has(status)) return;
  tale.settledMs ??= Date.now();
  tale.told = status;
}

async function answerBank(simulatorUrl: string, clientSecret: string, succeed: boolean): Promise<boolean> {
  const response = await fetch(`${simulatorUrl}/_simulator/authenticate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_secret: clientSecret, succeed: String(succeed) }),
  }).catch(() => null);
  return response !== null;
}

export function signToken(jwtSecret: string, shopperId: string): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(shopperId)
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(jwtSecret));
}
