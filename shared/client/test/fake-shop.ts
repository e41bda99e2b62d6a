import { type Client, type ClientOptions, createClient } from "@holdfast/client";

/** A shop as the client meets it: answers by script, under the real client's own requests. */

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly key: string | undefined;
  readonly token: string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly prefer: string | undefined;
  readonly body: string | undefined;
}
export type Answer = (request: SeenRequest) => Response | Promise<Response>;

export const answer = (status: number, body: object, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });
export const notModified = (etag: string) => () => new Response(null, { status: 304, headers: { etag } });
export const problem = (status: number, code: string, headers?: Record<string, string>) =>
  answer(status, { code, title: code, detail: `${code} in detail` }, headers);
export const broken = () => Promise.reject(new TypeError("fetch failed"));
/** A page that is closed while it waits for this answer never learns of it. */
export const never = () => new Promise<Response>(() => {});
export const bought: Answer = ({ key }) => answer(202, { id: `order-of-${key}` });

export const untilTrue = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};

const settleMs = 100; // between tabs

/** What the browser keeps, what the shop is asked, and the pages opened meanwhile. */
export class FakeShop {
  readonly kept = new Map<string, string>();
  readonly requests: SeenRequest[] = [];
  readonly pauses: number[] = [];
  /** The answers to everything but sessions, in their order. */
  script: Answer[] = [];
  sessions = 0;
  openSession: Answer = () => this.guest();

  readonly storage = {
    getItem: (name: string) => this.kept.get(name) ?? null,
    setItem: (name: string, text: string) => void this.kept.set(name, text),
    removeItem: (name: string) => void this.kept.delete(name),
  };

  /** A page as it is opened, or opened again: what it knows is what was kept. */
  openPage(options: ClientOptions = {}): Client {
    return createClient({
      storage: this.storage,
      pause: async (ms) => {
        if (ms !== settleMs) this.pauses.push(ms);
        await new Promise((resolve) => setTimeout(resolve, ms === settleMs ? 3 : 0));
      },
      fetch: (url, request) => this.#answer(url, request),
      ...options,
    });
  }

  guest(): Response {
    const name = `guest-${this.sessions}`;
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    return answer(201, { token: `token-of-${name}`, shopperId: name, expiresAt });
  }

  /**
   * Under how many keys, of how many shoppers, purchases were sent: so many orders there can be.
   */
  ordersMade(): number {
    return new Set(this.requests.map(({ key, token }) => `${key} ${token}`)).size;
  }

  bodies(): unknown[] {
    return this.requests.map(({ body }) => JSON.parse(body ?? "null"));
  }

  async #answer(path: string, { method = "GET", headers, body, signal }: RequestInit): Promise<Response> {
    signal?.throwIfAborted();
    const sent = new Headers(headers);
    const header = (name: string) => sent.get(name) ?? undefined;
    const request = {
      method,
      path,
      key: header("idempotency-key"),
      token: header("authorization")?.slice("Bearer ".length),
      ifNoneMatch: header("if-none-match"),
      prefer: header("prefer"),
      body: typeof body === "string" ? body : undefined,
    };
    if (path === "/sessions") {
      this.sessions += 1;
      const { openSession } = this;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return openSession(request);
    }
    this.requests.push(request);
    const next = this.script.shift();
    if (!next) throw new Error(`not expected to be asked for ${path}`);
    return next(request);
  }
}
