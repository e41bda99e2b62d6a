import { createRequire } from "node:module";
import { type DestinationStream, type Logger, pino, stdSerializers } from "pino";
import { onceIn } from "./log-once-in.ts";

export type { Logger };

/** Keys whose values never reach a log line, at the top or up to two levels down. */
const secretKeys = ["authorization", "cookie", "password", "secret", "token", "clientSecret", "client_secret"];

/**
 * One JSON line per event, on stdout unless told otherwise, secrets cut out; on a terminal in
 * colours and words.
 */
export function createLog(name: string, level: string, destination: DestinationStream = standardOutput()): Logger {
  return pino(
    {
      name,
      level,
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: "[secret]" },
      serializers: { err: serializeError },
    },
    destination,
  );
}

/** Loaded only where somebody looks: a program that reads the lines wants them as JSON. */
function standardOutput(): DestinationStream {
  if (!process.stdout.isTTY) return pino.destination(1);
  const pretty = createRequire(import.meta.url)("pino-pretty") as (options: object) => DestinationStream;
  return pretty({ colorize: true, translateTime: "SYS:HH:MM:ss.l", ignore: "pid,hostname", sync: true });
}

const quietMs = 5_000; // a server that is down is a line every few seconds, however many connections it had

/** Logs that a connection to a server was lost. */
export function reportLosses(log: Pick<Logger, "warn">, server: string): (error: Error) => void {
  const losses = onceIn(quietMs);
  return (error) => {
    const leftOut = losses(server);
    if (leftOut !== null) log.warn({ err: error, leftOut }, `${server} connection lost`);
  };
}

/**
 * Of an error only what helps to find its cause: a driver's error may carry whole rows, an SDK's
 * whole requests.
 */
function serializeError(error: Error) {
  const { type, message, stack } = stdSerializers.err(error);
  const { code } = error as { code?: unknown };
  return { type, code, message: withoutCredentials(message), stack: withoutCredentials(stack ?? "") };
}

/** Cuts `user:password@` out of any URL in a text, and a password in its query. */
export function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^@\s/]*@/g, "//").replace(/(?<=[?&]sentinelPassword=)[^&\s]+/g, "…");
}
