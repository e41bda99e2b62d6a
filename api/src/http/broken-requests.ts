import type { IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { App } from "./fastify-app.ts";
import { type ProblemCode, problems, problemTypeOf } from "./problems.ts";

const lingerMs = 1_000; // time to read the answer, for a client that is still sending

/** What Node says of it: https://nodejs.org/api/http.html#event-clienterror */
export interface BrokenRequest {
  readonly code: string;
  /** The bytes that could not be read, where there are any. */
  readonly rawPacket?: unknown;
  /** How many of them could be read. */
  readonly bytesParsed?: number;
}

/**
 * Answers what never became a request: bytes that are no HTTP, headers past their limit, a head
 * that took too long. Node hands over the bare connection, so the answer is written by hand, and
 * the connection ends with it: nobody knows where the next request would begin.
 */
export function answerBrokenRequest(error: BrokenRequest, socket: Socket): void {
  if (error.code === "ECONNRESET" || socket.destroyed || !socket.writable) return void socket.destroy();
  const code = problemCode(error.code);
  const { status, title } = problems[code];
  const body = JSON.stringify({ type: problemTypeOf(code), title, status, detail: details[code], code });
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    "connection: close",
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  // Whoever asked with HEAD would take the body for the next answer.
  const bodiless = methodOf(error)?.endsWith("HEAD") ?? false;
  socket.end(`${head.join("\r\n")}\r\n\r\n${bodiless ? "" : body}`);
  socket.setTimeout(lingerMs, () => socket.destroy());
}

/**
 * The method of the request that could not be read: the last before the fault, since the packet may
 * begin with the end of another body.
 */
function methodOf({ rawPacket, bytesParsed }: BrokenRequest): string | undefined {
  if (!Buffer.isBuffer(rawPacket)) return undefined;
  const read = rawPacket.subarray(0, bytesParsed).toString("latin1");
  return [...read.matchAll(/([A-Z-]{1,20}) \/\S*(?: HTTP\/|$)/g)].at(-1)?.[1];
}

type BrokenCode = Extract<ProblemCode, "invalid_request" | "headers_too_large" | "request_timeout">;

const details: Readonly<Record<BrokenCode, string>> = {
  invalid_request: "This is not an HTTP request that could be read.",
  headers_too_large: "The headers are larger than this server takes.",
  request_timeout: "The request took too long to arrive.",
};

function problemCode(code: string): BrokenCode {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return "headers_too_large";
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return "request_timeout";
    default:
      return "invalid_request";
  }
}

const maxDiscardedBytes = 1024 * 1024; // a client that sends more than this for nothing is let go

/**
 * Reads the body of a GET or HEAD, which Fastify leaves unread, and discards it. Left alone it
 * would fill the socket's buffer and stop the reading, and Node would take a request that waits for
 * its answer (`Prefer: wait`) for one that never arrived, and answer it with 408. After a body that
 * is too large the connection ends with the answer; until then it costs its bandwidth alone, and no
 * longer than the request timeout.
 */
export function discardUnwantedBodies(app: App): void {
  app.addHook("onRequest", (request, reply, done) => {
    const { raw } = request;
    const bodiless = raw.method === "GET" || raw.method === "HEAD";
    if (bodiless && announcesBody(raw.headers)) {
      let discardedBytes = 0;
      raw.on("data", (chunk: Buffer) => {
        discardedBytes += chunk.length;
        if (discardedBytes <= maxDiscardedBytes) return;
        if (reply.raw.headersSent) raw.socket.destroy();
        else reply.header("connection", "close");
      });
    }
    done();
  });
}

function announcesBody(headers: IncomingHttpHeaders): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/**
 * A request that expects something, or offers another protocol, is answered like any other (RFC
 * 9110, sections 7.8 and 10.1.1).
 */
export function ignoreOffers(app: App): void {
  // Node's own 417 has no problem for a body.
  app.server.on("checkExpectation", (request, response) => void app.server.emit("request", request, response));
  // Node says nothing at all to a broken request that follows an offer on the same connection, so
  // none may follow. Not in a hook: an address that cannot be read is answered before any hook
  // runs.
  app.server.prependListener("request", (request, response) => {
    if (request.headers.upgrade !== undefined) response.setHeader("connection", "close");
  });
}
