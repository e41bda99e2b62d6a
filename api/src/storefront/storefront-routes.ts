import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import { EnvironmentError } from "@holdfast/shared/environment.ts";
import { Type } from "typebox";
import type { ApiConfig } from "../config.ts";
import type { App } from "../http/fastify-app.ts";
import { Problem } from "../http/problems.ts";
import { ownLook, picturesOf, readShopLook, type ShopLook } from "./shop-look.ts";
import { shopStylesheet } from "./shop-stylesheet.ts";

const webRoot = fileURLToPath(new URL("../../web/", import.meta.url));
const clientRoot = dirname(fileURLToPath(import.meta.resolve("@holdfast/client")));
const clientFiles = ["client.js", "ask.js", "keep.js"];
/** The version that `@stripe/stripe-js` 10.2.1 loads; always Stripe's own copy. https://docs.stripe.com/js/including */
const stripeScript = "https://js.stripe.com/endive/stripe.js";
const hidden = { schema: { hide: true } };

type StorefrontConfig = Pick<
  ApiConfig,
  "STRIPE_PUBLISHABLE_KEY" | "STRIPE_SIMULATOR_URL" | "STOREFRONT_DIRECTORY" | "GUEST_SESSIONS"
>;

/** The storefront: its page in the shop's own name, its scripts, and what they need to know of this shop. */
export async function storefrontRoutes(app: App, config: StorefrontConfig): Promise<void> {
  const directory = config.STOREFRONT_DIRECTORY;
  const look = requireLook(directory);
  await app.register(fastifyStatic, {
    root: webRoot,
    cacheControl: true,
    maxAge: 60_000,
    index: false,
    allowedPath: (path) => path !== "/index.html", // a template: it is served as /
  });
  const page = fillIn(await readFile(`${webRoot}index.html`, "utf8"), look);
  const cached = "public, max-age=60";
  app.get("/", hidden, (_request, reply) =>
    reply.type("text/html; charset=utf-8").header("cache-control", cached).send(page),
  );
  for (const file of clientFiles) {
    const script = withoutComments(await readFile(`${clientRoot}/${file}`, "utf8"));
    app.get(`/${file}`, hidden, (_request, reply) =>
      reply.type("text/javascript; charset=utf-8").header("cache-control", cached).send(script),
    );
  }
  const settings = storefrontSettings(config, look);
  app.get("/storefront.json", hidden, async () => settings);

  const stylesheet = shopStylesheet(look);
  app.get("/shop.css", hidden, (_request, reply) =>
    reply.type("text/css; charset=utf-8").header("cache-control", cached).send(stylesheet),
  );
  const pictures = picturesOf(look);
  const params = Type.Object({ file: Type.String() });
  app.get("/shop/:file", { schema: { hide: true, params } }, (request, reply) => {
    const { file } = request.params;
    if (!directory || !pictures.includes(file))
      throw new Problem("route_not_found", "There is no picture of this name.");
    return reply.sendFile(file, directory);
  });
}

/** What the page asks for first. */
function storefrontSettings(config: StorefrontConfig, { name }: ShopLook) {
  const { STRIPE_PUBLISHABLE_KEY: publishableKey, STRIPE_SIMULATOR_URL: simulatorUrl = null } = config;
  const scriptUrl = simulatorUrl === null ? stripeScript : `${simulatorUrl}/_simulator/stripe.js`;
  return {
    simulatorUrl,
    stripe: publishableKey === undefined ? null : { publishableKey, scriptUrl },
    shop: { name },
    guests: config.GUEST_SESSIONS === "on",
  };
}

/** Shoppers at the end of a thin line need not load what is written for us. */
const withoutComments = (script: string) => script.replaceAll(/^\s*(\/\/|\/?\*).*\n/gm, "");

/** Checked with the rest of the configuration; whatever went wrong with it since then ends the start. */
function requireLook(directory: string | undefined): ShopLook {
  if (directory === undefined) return ownLook;
  const look = readShopLook(directory);
  if ("problems" in look) throw new EnvironmentError(look.problems.map((line) => `STOREFRONT_DIRECTORY: ${line}`));
  return look;
}

/** The shop's name and its tagline are there before any script runs, and without one. */
function fillIn(template: string, { name, tagline = "" }: ShopLook): string {
  return template.replaceAll("{{name}}", () => escapeHtml(name)).replaceAll("{{tagline}}", () => escapeHtml(tagline));
}

const escapeHtml = (text: string) => text.replaceAll(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
