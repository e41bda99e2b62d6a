import { readdir, readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { contentTag, isUnchanged } from "../http/etag.ts";
import type { App } from "../http/fastify-app.ts";

const webRoot = new URL("../../ops-web/", import.meta.url);
const uplot = new URL(".", import.meta.resolve("uplot"));
const hidden = { schema: { hide: true } };

const types: Readonly<Record<string, string>> = { ".js": "text/javascript", ".css": "text/css" };

/** The operations room: its page, its scripts, and the charts' library as it is. */
export async function opsPageRoutes(app: App): Promise<void> {
  serve(app, "/", "text/html", await readFile(new URL("index.html", webRoot), "utf8"));
  for (const file of await readdir(webRoot)) {
    const type = types[extname(file)];
    if (type) serve(app, `/assets/${file}`, type, await readFile(new URL(file, webRoot), "utf8"));
  }
  for (const file of ["uPlot.esm.js", "uPlot.min.css"]) {
    const type = types[extname(file)] ?? "";
    serve(app, `/assets/${file}`, type, await readFile(fileURLToPath(new URL(file, uplot)), "utf8"));
  }
}

/** Kept in memory; a browser that has it asks whether it is still so, and is not sent it again. */
function serve(app: App, url: string, type: string, text: string): void {
  const tag = contentTag(text);
  app.get(url, hidden, (request, reply) => {
    reply.type(`${type}; charset=utf-8`).header("cache-control", "private, no-cache");
    return reply.send(isUnchanged(reply, request.headers["if-none-match"], tag) ? undefined : text);
  });
}
