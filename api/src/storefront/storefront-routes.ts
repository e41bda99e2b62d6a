import { readdir, readFile } from "node:fs/promises";
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fastifyStatic from "@fastify/static";
import { EnvironmentError } from "@holdfast/shared/environment.ts";
import { Type } from "typebox";
import type { ApiConfig } from "../config.ts";
import { contentTag, isUnchanged } from "../http/etag.ts";
import type { App } from "../http/fastify-app.ts";
import { Problem } from "../http/problems.ts";
import { ownLook, picturesOf, readShopLook, type ShopLook } from "./shop-look.ts";
import { shopStylesheet } from "./shop-stylesheet.ts";
import { slim } from "./slim.ts";

const webRoot = fileURLToPath(new URL("../../web/", import.meta.url));
const clientRoot = dirname(fileURLToPath(import.meta.resolve("@holdfast/client")));
/**
 * The version that `@stripe/stripe-js` 10.2.1 loads; always Stripe's own copy.
 * https://docs.stripe.com/js/including
 */
const stripeScript = "https://js.stripe.com/endive/stripe.js";
const hidden = { schema: { hide: true } };

type StorefrontConfig = Pick<
  ApiConfig,
  "STRIPE_PUBLISHABLE_KEY" | "STRIPE_SIMULATOR_URL" | "STOREFRONT_DIRECTORY" | "GUEST_SESSIONS"
>;

/** The storefront: its page in the shop's name, its scripts, and what they need to know. */
export async function storefrontRoutes(app: App, config: StorefrontConfig): Promise<void> {
  const directory = config.STOREFRONT_DIRECTORY;
  const look = requireLook(directory);
  await app.register(fastifyStatic, { root: webRoot, cacheControl: true, maxAge: 60_000, serve: false });
  const html = fillIn(await readFile(`${webRoot}index.html`, "utf8"), look);
  serveText(app, "/", "text/html", slim(html));
  for (const root of [webRoot, clientRoot]) await serveFiles(app, root);
  const settings = storefrontSettings(config, look);
  app.get("/storefront.json", hidden, async () => settings);

  serveText(app, "/shop.css", "text/css", shopStylesheet(look));
  const pictures = picturesOf(look);
  const params = Type.Object({ file: Type.String() });
  app.get("/shop/:file", { schema: { hide: true, params } }, (request, reply) => {
    const { file } = request.params;
    if (!directory || !pictures.includes(file))
      throw new Problem("route_not_found", "There is no picture of this name.");
    return reply.sendFile(file, directory);
  });
}

/**
 * The scripts, stylesheets and drawings of a folder. A name that another folder has, too, ends the
 * start.
 */
async function serveFiles(app: App, root: string): Promise<void> {
  for (const file of await readdir(root)) {
    const type = textTypes[extname(file)];
    if (type) serveText(app, `/${file}`, type, slim(await readFile(join(root, file), "utf8")));
  }
}

const textTypes: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/**
 * Kept in memory, and not sent again to a browser that has it.
 * https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
 */
function serveText(app: App, url: string, type: string, text: string): void {
  const tag = contentTag(text);
  app.get(url, hidden, (request, reply) => {
    reply.type(`${type}; charset=utf-8`).header("cache-control", "public, max-age=60");
    return reply.send(isUnchanged(reply, request.headers["if-none-match"], tag) ? undefined : text);
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

/** Checked with the configuration; whatever went wrong with it since then ends the start. */
function requireLook(directory: string | undefined): ShopLook {
  if (directory === undefined) return ownLook;
  const look = readShopLook(directory);
  if ("problems" in look) throw new EnvironmentError(look.problems.map((line) => `STOREFRONT_DIRECTORY: ${line}`));
  return look;
}

/** The shop's name, tagline and links are there before any script runs, and without one. */
function fillIn(template: string, { name, tagline = "", links = [] }: ShopLook): string {
  const anchors = links.map(({ text, address }) => `<a href="${escapeHtml(address)}">${escapeHtml(text)}</a>`);
  return template
    .replaceAll("{{name}}", () => escapeHtml(name))
    .replaceAll("{{tagline}}", () => escapeHtml(tagline))
    .replaceAll("{{links}}", () => anchors.join(" "));
}

const escapeHtml = (text: string) => text.replaceAll(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
