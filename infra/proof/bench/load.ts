import { connect, type Socket } from "node:net";

/** An answer as far as a load generator looks at it. */
export interface Answer {
  readonly status: number;
  /** The body as it came, one character per byte. */
  readonly body: string;
}

/**
 * A keep-alive connection with one request at a time, written as bytes that were made before: a
 * client library would cost the load generator, on the machine that is measured, as much as an
 * answer costs the server. It understands what our servers send: a `content-length` on every
 * answer.
 */
class Connection {
  readonly #socket: Socket;
  #received = "";
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#receive(text));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("The server closed the connection")));
  }

  static open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => resolve(new Connection(socket)));
      socket.once("error", reject);
    });
  }

  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#waiting = null;
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    const head = this.#received.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#received.slice(0, head));
    if (!length) {
      this.#fail(new Error(`An answer without a length: ${this.#received.slice(0, head)}`));
      return;
    }
    const end = head + 4 + Number(length[1]);
    if (this.#received.length < end) return;
    const answer = { status: Number(this.#received.slice(9, 12)), body: this.#received.slice(head + 4, end) };
    this.#received = this.#received.slice(end);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve(answer);
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}

export interface Load {
  readonly url: string;
  /** Each with one request at a time: a closed loop. */
  readonly connections: number;
  /** The n-th request, made before. */
  readonly request: (n: number) => Buffer;
  /** @throws where it is not an answer that counts: a refusal is quickly given */
  readonly check: (answer: Answer) => void;
  /** Ends after so many requests, or so many seconds. */
  readonly until: { readonly requests: number } | { readonly seconds: number };
}

export interface LoadResult {
  readonly answers: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** Of the load generator's own process. */
  readonly cpuUs: number;
  /** How long each answer took, in milliseconds, in rising order. */
  readonly latenciesMs: Float64Array;
}

export async function runLoad({ url, connections, request, check, until }: Load): Promise<LoadResult> {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(url)));
  const latenciesMs: number[] = [];
  const cpuBefore = process.cpuUsage();
  const beganAtMs = performance.now();
  const most = "requests" in until ? until.requests : Number.POSITIVE_INFINITY;
  const endsAtMs = "seconds" in until ? beganAtMs + until.seconds * 1_000 : Number.POSITIVE_INFINITY;
  let sent = 0;
  const keepBusy = async (connection: Connection) => {
    while (sent < most && performance.now() < endsAtMs) {
      const sentAtMs = performance.now();
      check(await connection.ask(request(sent++)));
      latenciesMs.push(performance.now() - sentAtMs);
    }
  };
  try {
    await Promise.all(open.map(keepBusy));
  } finally {
    for (const connection of open) connection.close();
  }
  const seconds = (performance.now() - beganAtMs) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    answers: latenciesMs.length,
    seconds,
    cpuUs: user + system,
    latenciesMs: Float64Array.from(latenciesMs).sort(),
  };
}

/** The latency that this part of the answers took at most. */
export function percentile({ latenciesMs }: LoadResult, part: number): number {
  return latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * part))] ?? Number.NaN;
}
