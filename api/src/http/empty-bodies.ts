import type { App } from "./fastify-app.ts";

/**
 * Takes a body that says it is JSON and has nothing in it for none at all: fetch wrappers send the
 * type with every request. Where a body is needed, its schema misses it. Text is no body of ours.
 */
export function takeEmptyBodies(app: App): void {
  app.removeContentTypeParser("text/plain");
  const parseJson = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) => {
    if (body.length === 0) done(null, undefined);
    else void parseJson(request, body as string, done);
  });
}
