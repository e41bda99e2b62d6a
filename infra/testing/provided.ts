/** What the set-ups provide to the tests, for both sides' types. */
declare module "vitest" {
  interface ProvidedContext {
    databaseUrl: string;
    redisUrl: string;
    /** The program of a browser (chromium.ts). */
    chromium: string;
  }
}

export {};
