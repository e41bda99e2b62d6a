import type { IncomingMessage, ServerResponse } from "node:http";
import helmet from "helmet";

/**
 * The headers helmet would put on an answer of ours. They are the same on every answer, so helmet
 * is asked once: asked at each, it would take a tenth of the time that accepting a purchase takes.
 */
export function secureHeaders(options: NonNullable<Parameters<typeof helmet>[0]>): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  const answer = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => {},
  } as unknown as ServerResponse;
  helmet(options)({} as IncomingMessage, answer, (error) => {
    if (error) throw error;
  });
  return headers;
}

/**
 * For answers to programs: a browser is not to guess their type, keep them, or show them in a
 * frame.
 */
export const apiHeaders = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
} as const;
