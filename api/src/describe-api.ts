import { createRequire } from "node:module";
import fastifySwagger from "@fastify/swagger";
import type { App } from "./http/fastify-app.ts";
import { nameSchemas } from "./name-schemas.ts";

const { version } = createRequire(import.meta.url)("../package.json") as { version: string };

const description = `A flash-sale purchase pipeline: buy with \`POST /purchase/{itemId}\`, then follow \`GET /orders/{id}\`.

Money is an integer in the currency's minor unit, times are ISO 8601 UTC. Refusals are problem details (RFC 9457) with a
stable \`code\`; their \`type\` is a page under \`/problems\`. A purchase under an \`Idempotency-Key\` may be sent again until
there is a definite answer: it stays one order. \`Prefer: wait=20\` with \`If-None-Match\` follows an order with one request
per change.`;

/** Generates the API's description (OpenAPI 3.1) from the schemas of its routes, for `/docs`. */
export async function describeApi(app: App): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Holdfast",
        version,
        description,
        license: { name: "MIT", identifier: "MIT" },
      },
      servers: [{ url: "/", description: "the server that this description comes from" }],
      tags: [
        { name: "anyone", description: "without a token" },
        { name: "shopper", description: "with a shopper's token: their own orders, and nobody else's" },
        { name: "operations", description: "with operations' name and password" },
        { name: "platform", description: "what runs the API, and the payment provider" },
      ],
      components: {
        securitySchemes: {
          shopper: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
          operations: { type: "http", scheme: "basic" },
        },
      },
    },
    transformObject: (document) => ("openapiObject" in document ? nameSchemas(document.openapiObject) : {}),
  });
}
