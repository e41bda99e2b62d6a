import type { Client, Dispatcher } from "undici";

export interface HttpRequest {
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpAnswer {
  /** 0 where there was no answer; then the text says why. */
  readonly status: number;
  readonly text: string;
}

/**
 * One request and its answer, by undici's lowest layer: its `request` would cost a load generator
 * about as much as the answer costs the server. Never rejects: no answer is an answer too.
 */
export function exchange(client: Client, { method, path, headers, body }: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    let status = 0;
    let text = "";
    client.dispatch(
      { method, path, headers, body: body ?? null },
      {
        onRequestStart: () => {},
        onResponseStart: (_controller, statusCode) => {
          status = statusCode;
        },
        onResponseData: (_controller, chunk) => {
          text += chunk.toString("latin1"); // ids and codes are ASCII
        },
        onResponseEnd: () => resolve({ status, text }),
        onResponseError: (_controller, error) => resolve({ status: 0, text: error.message }),
      },
    );
  });
}
