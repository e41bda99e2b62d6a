import { Client, type Dispatcher } from "undici";

export interface LoadRequest {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface LoadResult {
  /** Answers per second while the load lasted. */
  readonly perSecond: number;
  readonly answers: number;
  /** How many answers there were of each status; 0 stands for none. */
  readonly statuses: Readonly<Record<number, number>>;
}

/**
 * Keeps `connections` keep-alive connections busy for `seconds`, each with one request at a time: what a server can take at most. Bodies are
 * read and thrown away; it costs a good deal less than the servers it is pointed at.
 */
export async function loadServer(
  url: string,
  options: {
    readonly connections: number;
    readonly seconds: number;
    readonly request: (i: number) => LoadRequest;
  },
): Promise<LoadResult> {
  const clients = Array.from({ length: options.connections }, () => new Client(url, { pipelining: 1 }));
  const statuses: Record<number, number> = {};
  let sent = 0;
  let answers = 0;
  const beganAtMs = performance.now();
  const endsAtMs = beganAtMs + options.seconds * 1000;
  const keepBusy = async (client: Client) => {
    while (performance.now() < endsAtMs) {
      const status = await exchange(client, options.request(sent++));
      statuses[status] = (statuses[status] ?? 0) + 1;
      answers += 1;
    }
  };
  await Promise.all(clients.map(keepBusy));
  const seconds = (performance.now() - beganAtMs) / 1000;
  await Promise.all(clients.map((client) => client.destroy()));
  return { perSecond: answers / seconds, answers, statuses };
}

/** One request and its answer's status, by undici's own lowest layer: its `request` would cost about as much as the server. */
function exchange(client: Client, request: LoadRequest): Promise<number> {
  return new Promise((resolve) => {
    let status = 0;
    client.dispatch(
      { method: request.method, path: request.path, headers: request.headers, body: request.body ?? null },
      {
        onRequestStart: () => {},
        onResponseStart: (_controller, statusCode) => {
          status = statusCode;
        },
        onResponseData: () => {},
        onResponseEnd: () => resolve(status),
        onResponseError: () => resolve(0),
      },
    );
  });
}
