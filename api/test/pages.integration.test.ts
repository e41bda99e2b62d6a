import { readdir, readFile } from "node:fs/promises";
import { createTestApi, opsAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const web = new URL("../web/", import.meta.url);

describe("the pages", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    api = await createTestApi(world, { STRIPE_SIMULATOR_URL: "http://127.0.0.1:4242" });
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const page = async (url: string) => {
    const response = await api.app.inject({ url, headers: { authorization: opsAuthorization } });
    expect(response.statusCode).toBe(200);
    expect(response.headers["content-type"]).toContain("text/html");
    return response;
  };
  /** What the policy of a page says, directive by directive. */
  const policyOf = (header: unknown) =>
    new Map(
      String(header)
        .split(";")
        .map((directive) => directive.trim().split(/\s+/))
        .map(([name = "", ...sources]) => [name, sources]),
    );
  const pages = ["/", "/docs/", "/ops/queues"];

  test.each(pages)(
    "%s lets no script in but ours, is framed by nobody, and tells nobody where its reader came from",
    async (url) => {
      const { headers } = await page(url);
      const policy = policyOf(headers["content-security-policy"]);
      expect(policy.get("default-src")).toEqual(["'self'"]);
      expect(policy.get("script-src")).toEqual(["'self'"]);
      expect(policy.get("script-src-attr")).toEqual(["'none'"]);
      expect(policy.get("object-src")).toEqual(["'none'"]);
      expect(policy.get("base-uri")).toEqual(["'self'"]);
      expect(policy.get("form-action")).toEqual(["'self'"]);
      expect(policy.get("frame-ancestors")).toEqual(["'none'"]);
      expect(policy.has("upgrade-insecure-requests")).toBe(false); // a trial runs without TLS
      expect(headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "x-frame-options": "SAMEORIGIN",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
      });
    },
  );

  test("the storefront styles nothing inline, and asks nobody but us and the payment simulator", async () => {
    const policy = policyOf((await page("/")).headers["content-security-policy"]);
    expect(policy.get("style-src")).toEqual(["'self'"]);
    expect(policy.get("connect-src")).toEqual(["'self'", "http://127.0.0.1:4242"]);
  });

  test.each(pages)("%s has no script inline that its own policy would stop", async (url) => {
    const { body } = await page(url);
    const scripts = [...body.matchAll(/<script\b([^>]*)>([^<]*)/g)];
    expect(scripts.length).toBeGreaterThan(0);
    for (const [, attributes = "", text = ""] of scripts) {
      const data = attributes.includes('type="application/json"'); // read, not run
      if (!data) expect(text.trim()).toBe("");
    }
    expect(body).not.toMatch(/\son\w+=/);
    expect(body).not.toContain("javascript:");
  });

  test("every answer has these headers, refusals and what is shed or unknown too", async () => {
    for (const url of ["/items", "/nothing", "/orders", "/ops", "/healthz", "/storefront.js"]) {
      const { headers } = await api.app.inject(url);
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    }
  });

  test("our own scripts show every text as text: none writes HTML, makes code of text, or opens an address from an answer", async () => {
    const scripts = (await readdir(web)).filter((name) => name.endsWith(".js"));
    expect(scripts).toContain("storefront.js");
    for (const name of scripts) {
      const source = await readFile(new URL(name, web), "utf8");
      const waysIn =
        /innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\b|new Function|setTimeout\(\s*["'`]|\.(href|src)\s*=|location\s*=|window\.open|setAttribute/;
      expect({ name, wayIn: waysIn.exec(source)?.[0] ?? null }).toEqual({ name, wayIn: null });
    }
  });
});
