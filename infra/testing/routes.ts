import type { App } from "@holdfast/api/http/fastify-app.ts";
import type { HTTPMethods } from "fastify";

export interface Route {
  readonly method: HTTPMethods;
  /** As it was registered, with `:names` and `*`. */
  readonly url: string;
}

/** Every route of an app, from the router itself: what it knows, not what someone listed. */
export function routesOf(app: App): Route[] {
  const routes: Route[] = [];
  const parents: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).split("\n")) {
    const [, indent = "", part = "", methods = ""] = /^([│ ]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?/.exec(line) ?? [];
    if (part === "") continue;
    const depth = indent.length / 4;
    const url = (parents[depth - 1] ?? "") + part;
    parents[depth] = url;
    for (const method of methods.split(", ").filter((name) => name !== "")) {
      routes.push({ method: method as HTTPMethods, url });
    }
  }
  return routes;
}
