import { connect, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

/**
 * A flood, in a thread of its own: purchases sent over a bounded number of plain connections, as
 * cheaply as can be, so that most of the machine is left to those who have to answer.
 */
export interface FloodOrder {
  readonly urls: readonly string[];
  readonly itemId: string;
  readonly tokens: readonly string[];
  /** Purchases per second that want to be sent; null for as many as are answered. */
  readonly ratePerSecond: number | null;
  readonly seconds: number;
  readonly connections: number;
}

export interface FloodResult {
  readonly offered: number;
  /** Those for which no connection was free within a second. */
  readonly unsent: number;
  /** How often each status was answered. */
  readonly statuses: Record<string, number>;
  /** 429 and 503 that did not say when to come back. */
  readonly withoutRetryAfter: number;
  /** Connections that broke while an answer was due, and answers that never came. */
  readonly broken: number;
  readonly unanswered: number;
  readonly acceptedIds: readonly string[];
  readonly slowestMs: number;
}

const tickMs = 20;
const lastAnswersMs = 15_000;

/** Longer than a screen: all of its connections share one set of counters. */
export function flood(order: FloodOrder): Promise<FloodResult> {
  const { urls, itemId, tokens, ratePerSecond, seconds, connections } = order;
  const body = JSON.stringify({ paymentMethod: "pm_card_visa" });
  const requests = tokens.map(
    (token) =>
      `POST /purchase/${itemId} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
  const statuses: Record<string, number> = {};
  const acceptedIds: string[] = [];
  let [offered, unsent, sent, answered, broken, withoutRetryAfter, slowestMs] = [0, 0, 0, 0, 0, 0, 0];
  let waiting = 0;
  let over = false;
  const free: (() => void)[] = [];

  const open = (i: number) => {
    const url = new URL(urls[i % urls.length] ?? "");
    const socket: Socket = connect(Number(url.port), url.hostname);
    let sentAtMs: number | null = null;
    let received = "";
    const send = () => {
      sentAtMs = performance.now();
      socket.write(requests[sent++ % requests.length] ?? "");
    };
    const ready = () => {
      if (over) socket.destroy();
      else if (ratePerSecond === null) send();
      else if (waiting > 0) {
        waiting -= 1;
        send();
      } else free.push(send);
    };
    socket.setNoDelay(true);
    socket.on("connect", ready);
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      const answer = readAnswer(received);
      if (answer === null) return;
      received = "";
      answered += 1;
      slowestMs = Math.max(slowestMs, performance.now() - (sentAtMs ?? 0));
      sentAtMs = null;
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      if (answer.status === 202 && answer.id !== null) acceptedIds.push(answer.id);
      if ((answer.status === 429 || answer.status === 503) && !answer.retryAfter) withoutRetryAfter += 1;
      ready();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (sentAtMs !== null && !over) broken += 1;
      const at = free.indexOf(send);
      if (at >= 0) free.splice(at, 1);
      if (!over) setTimeout(() => open(i), 100);
    });
  };
  for (let i = 0; i < connections; i++) open(i);

  const beganAtMs = performance.now();
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const elapsedMs = performance.now() - beganAtMs;
      if (ratePerSecond !== null && elapsedMs < seconds * 1_000) {
        const due = Math.floor((elapsedMs / 1_000) * ratePerSecond) - offered;
        offered += due;
        waiting += due;
        while (waiting > 0 && free.length > 0) {
          waiting -= 1;
          free.pop()?.();
        }
        // Whoever finds no connection free for a second goes away.
        unsent += Math.max(0, waiting - ratePerSecond);
        waiting = Math.min(waiting, ratePerSecond);
        return;
      }
      if (elapsedMs < seconds * 1_000) return;
      over = true;
      unsent += waiting;
      waiting = 0;
      if (answered + broken < sent && elapsedMs < seconds * 1_000 + lastAnswersMs) return;
      clearInterval(timer);
      const unanswered = sent - answered - broken;
      resolve({ offered, unsent, statuses, withoutRetryAfter, broken, unanswered, acceptedIds, slowestMs });
    }, tickMs);
  });
}

/** One whole answer, or null where some of it is still to come. */
function readAnswer(text: string): { status: number; retryAfter: boolean; id: string | null } | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = text.slice(0, headEnd).toLowerCase();
  const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
  if (text.length < headEnd + 4 + length) return null;
  const id = /"id":"([0-9a-f-]{36})"/.exec(text.slice(headEnd));
  return { status: Number(head.slice(9, 12)), retryAfter: head.includes("\r\nretry-after:"), id: id?.[1] ?? null };
}

if (parentPort !== null) parentPort.postMessage(await flood(workerData as FloodOrder));
