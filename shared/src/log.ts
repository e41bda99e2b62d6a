import { type DestinationStream, type Logger, pino, stdSerializers } from "pino";

export type { Logger };

/** Keys whose values never reach a log line, at the top or up to two levels down. */
const secretKeys = ["authorization", "cookie", "password", "secret", "token", "clientSecret", "client_secret"];

/** One JSON line per event, on stdout unless told otherwise, secrets cut out. */
export function createLog(name: string, level: string, destination: DestinationStream = pino.destination(1)): Logger {
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

/**
 * Of an error only what helps to find its cause: a driver's error may carry whole rows, an SDK's
 * whole requests.
 */
function serializeError(error: Error) {
  const { type, message, stack } = stdSerializers.err(error);
  const { code } = error as { code?: unknown };
  return { type, code, message: withoutCredentials(message), stack: withoutCredentials(stack ?? "") };
}

/** Cuts `user:password@` out of any URL in a text. */
export function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^@\s/]*@/g, "//");
}
