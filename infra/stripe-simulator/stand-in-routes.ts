import { readFileSync } from "node:fs";
import type { FastifyInstance } from "fastify";

const files = [
  { path: "/_simulator/stripe.js", file: "stripe.js", type: "text/javascript; charset=utf-8" },
  { path: "/_simulator/bank-dialog.js", file: "bank-dialog.js", type: "text/javascript; charset=utf-8" },
  { path: "/_simulator/card-form", file: "card-form.html", type: "text/html; charset=utf-8" },
  { path: "/_simulator/card-form.js", file: "card-form.js", type: "text/javascript; charset=utf-8" },
  { path: "/_simulator/card-form.css", file: "card-form.css", type: "text/css; charset=utf-8" },
];

// The card form runs under a policy of its own, in any shop's page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'";

/**
 * The stand-in for https://js.stripe.com, for the browser tests and trials of a storefront that
 * takes cards through Stripe's Payment Element; and what its requests need: Stripe's API, too, is
 * open to the pages of every origin.
 */
export function standInRoutes(app: FastifyInstance): void {
  for (const { path, file, type } of files) {
    const content = readFileSync(new URL(`stand-in/${file}`, import.meta.url));
    app.get(path, async (_request, reply) =>
      reply
        .type(type)
        .headers({
          "cache-control": "no-store",
          "access-control-allow-origin": "*",
          "cross-origin-resource-policy": "cross-origin",
          "x-content-type-options": "nosniff",
          "content-security-policy": policy,
        })
        .send(content),
    );
  }
  app.addHook("onRequest", async (request, reply) => {
    if (request.url.startsWith("/v1/")) reply.header("access-control-allow-origin", "*");
  });
  app.options("/v1/*", async (_request, reply) =>
    reply
      .code(204)
      .headers({
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "authorization, content-type, idempotency-key",
        "access-control-max-age": "600",
      })
      .send(),
  );
}
