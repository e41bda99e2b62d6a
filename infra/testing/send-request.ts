import { type Agent, request } from "node:http";
import type { FuzzRequest } from "./fuzz-requests.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/**
 * Sends a request as it stands. Rejects where no answer has come within the time, or the connection
 * breaks.
 */
export function sendRequest(origin: URL, agent: Agent, sent: FuzzRequest, timeoutMs: number): Promise<Answer> {
  const { method, url, headers, body, chunked } = sent;
  return new Promise((resolve, reject) => {
    const length = body !== null && !chunked ? { "content-length": String(body.length) } : {};
    const framing = body !== null && chunked ? { "transfer-encoding": "chunked" } : length;
    const call = request(
      { agent, host: origin.hostname, port: origin.port, method, path: url, headers: { ...headers, ...framing } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          clearTimeout(timer);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString("utf8"),
          });
        });
      },
    );
    const timer = setTimeout(() => call.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs);
    call.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    if (body !== null) call.write(body);
    call.end();
  });
}
