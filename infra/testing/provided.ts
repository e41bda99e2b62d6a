/** What `servers.ts` provides to the tests, for both sides' types. */
declare module "vitest" {
  interface ProvidedContext {
    databaseUrl: string;
    redisUrl: string;
  }
}

export {};
