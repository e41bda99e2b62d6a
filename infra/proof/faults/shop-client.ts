import { Agent, type Dispatcher } from "undici";

/** What is read of an answer: an order, or a problem. */
interface AnswerBody {
  id?: string;
  status?: string | number;
  reason?: string | null;
  code?: string;
  payment?: { status: string | null; clientSecret: string | null };
}

export interface Answer {
  /** 0 where there was none: the connection broke, or nothing came in time. */
  readonly status: number;
  readonly body: AnswerBody;
  readonly retryAfterSeconds: number | null;
  /** The version that was answered. */
  readonly tag: string | null;
}

interface Request {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly token: string;
  readonly key?: string;
  readonly body?: object;
  /** The version that is known (`If-None-Match`). */
  readonly seenTag?: string | null;
  /** How long the answer may be held for a change (`Prefer: wait`). */
  readonly waitSeconds?: number;
  /** Whether another server may be asked after a 503: not for what would then be two things. */
  readonly repeatable: boolean;
}

/** A certificate that is trusted, and whose it is. */
export interface Tls {
  readonly ca: Buffer;
  readonly servername: string;
}

/** How often each status was answered; 0 counts broken connections. */
type StatusCounts = Map<number, number>;

export interface ShopClient {
  ask(request: Request): Promise<Answer>;
  readonly statuses: StatusCounts;
  close(): Promise<void>;
}

const answerTimeoutMs = 15_000; // more than any answer may take by the API's own bounds

/**
 * What stands before the API servers: takes turns, and goes on to the next one where a server is
 * not there or says 503.
 */
export function shopClient(
  urls: readonly string[],
  { connectionsPerServer = 100, tls }: { connectionsPerServer?: number; tls?: Tls } = {},
): ShopClient {
  const options = { connections: connectionsPerServer, headersTimeout: answerTimeoutMs, bodyTimeout: answerTimeoutMs };
  const servers = urls.map((url) => ({ url, agent: new Agent({ ...options, connect: { timeout: 2_000, ...tls } }) }));
  const statuses: StatusCounts = new Map();
  let turn = 0;

  const askOne = async ({ url, agent }: (typeof servers)[number], request: Request): Promise<Answer | "refused"> => {
    const { method, path, token, key, body, waitSeconds, seenTag = null } = request;
    try {
      const response = await agent.request({
        origin: url,
        method,
        path,
        headers: {
          authorization: `Bearer ${token}`,
          ...(key !== undefined && { "idempotency-key": key }),
          ...(body && { "content-type": "application/json" }),
          ...(seenTag !== null && { "if-none-match": seenTag }),
          ...(waitSeconds !== undefined && { prefer: `wait=${waitSeconds}` }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await response.body.text();
      const { "retry-after": retryAfter, etag } = response.headers;
      return {
        status: response.statusCode,
        body: readBody(text),
        retryAfterSeconds: retryAfter === undefined ? null : Number(retryAfter),
        tag: etag === undefined ? null : String(etag),
      };
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "ECONNREFUSED") return "refused";
      return { status: 0, body: { code: code ?? String(error) }, retryAfterSeconds: null, tag: null };
    }
  };
  return {
    statuses,
    async ask(request) {
      const first = turn++;
      let answer: Answer = { status: 0, body: { code: "ECONNREFUSED" }, retryAfterSeconds: null, tag: null };
      for (let i = 0; i < servers.length; i++) {
        const server = servers[(first + i) % servers.length] as (typeof servers)[number];
        const got = await askOne(server, request);
        if (got === "refused") continue; // nothing was sent
        statuses.set(got.status, (statuses.get(got.status) ?? 0) + 1);
        answer = got;
        const goOn = request.repeatable && (got.status === 503 || got.status === 0);
        if (!goOn) break;
      }
      return answer;
    },
    async close() {
      await Promise.all(servers.map(({ agent }) => agent.destroy()));
    },
  };
}

/** Nothing of an answer without a body, and of one that is not ours: its status says enough. */
function readBody(text: string): AnswerBody {
  try {
    return (text === "" ? {} : JSON.parse(text)) as AnswerBody;
  } catch {
    return {} as AnswerBody;
  }
}
