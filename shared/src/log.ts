import { type Logger, pino } from "pino";

export type { Logger };

/** Keys whose values never reach a log line, at the top or one level down. */
const secretKeys = ["authorization", "cookie", "password", "secret", "token", "clientSecret", "client_secret"];

/** One JSON line per event on stdout, secrets cut out. */
export function createLog(name: string, level: string): Logger {
  return pino({
    name,
    level,
    redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: "[secret]" },
  });
}
