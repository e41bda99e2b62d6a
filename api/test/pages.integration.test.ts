import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTestApi, opsAuthorization, type TestApi } from "@holdfast/testing/api.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const web = new URL("../web/", import.meta.url);
const simulatorUrl = "http://127.0.0.1:4242";
const publishableKey = "pk_test_pages";

const stripeScripts = ["https://js.stripe.com", "https://*.js.stripe.com"];
/** https://docs.stripe.com/security/guide#content-security-policy */
const stripeSources = {
  "script-src": ["'self'", ...stripeScripts],
  "frame-src": [...stripeScripts, "https://hooks.stripe.com"],
  "connect-src": ["'self'", "https://api.stripe.com"],
};
const simulatorSources = {
  "script-src": ["'self'", simulatorUrl],
  "frame-src": [simulatorUrl],
  "connect-src": ["'self'", simulatorUrl],
};

describe("the pages", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    api = await createTestApi(world, { STRIPE_SIMULATOR_URL: simulatorUrl });
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
    expect(policy.get("connect-src")).toEqual(["'self'", simulatorUrl]);
    expect(policy.get("frame-src")).toEqual(["'none'"]);
  });

  test.each([
    ["Stripe's addresses and no others", {}, stripeSources],
    ["the simulator's in their place", { STRIPE_SIMULATOR_URL: simulatorUrl }, simulatorSources],
  ])("with real cards the storefront, and no other page, is open for %s", async (_name, env, sources) => {
    const open = await createTestApi(world, { STRIPE_PUBLISHABLE_KEY: publishableKey, ...env });
    const policy = async (url: string) =>
      policyOf(
        (await open.app.inject({ url, headers: { authorization: opsAuthorization } })).headers[
          "content-security-policy"
        ],
      );
    const storefront = await policy("/");
    expect(
      Object.fromEntries(["script-src", "frame-src", "connect-src"].map((name) => [name, storefront.get(name)])),
    ).toEqual(sources);
    expect(storefront.get("style-src")).toEqual(["'self'"]);
    expect((await policy("/ops/queues")).get("script-src")).toEqual(["'self'"]);
    expect((await policy("/docs/")).get("script-src")).toEqual(["'self'"]);
    await open.close();
  });

  test("the page is told how this shop takes cards: Stripe's own script, or the simulator's where there is one", async () => {
    const settings = async (env: Record<string, string>) => {
      const asked = await createTestApi(world, env);
      const told = (await asked.app.inject("/storefront.json")).json<Record<string, unknown>>();
      await asked.close();
      return told;
    };
    const own = { shop: { name: "Holdfast" }, guests: true };
    expect(await settings({})).toEqual({ ...own, simulatorUrl: null, stripe: null });
    expect(await settings({ STRIPE_PUBLISHABLE_KEY: publishableKey })).toEqual({
      ...own,
      simulatorUrl: null,
      stripe: { publishableKey, scriptUrl: "https://js.stripe.com/endive/stripe.js" },
    });
    const tried = { STRIPE_PUBLISHABLE_KEY: publishableKey, STRIPE_SIMULATOR_URL: simulatorUrl };
    expect(await settings(tried)).toMatchObject({ stripe: { scriptUrl: `${simulatorUrl}/_simulator/stripe.js` } });
    expect(await settings({ GUEST_SESSIONS: "off" })).toMatchObject({ guests: false });
  });

  test("a shop's name is in the page before any script runs, as text, and its pictures and no other files are served", async () => {
    const directory = await mkdtemp(join(tmpdir(), "holdfast-shop-"));
    const shop = { name: "<b>Ben & Anna's</b> $&", picture: "shop.svg", itemPictures: { poster: "poster.png" } };
    await writeFile(join(directory, "shop.json"), JSON.stringify(shop));
    for (const name of ["shop.svg", "poster.png", "prices.xlsx"]) await writeFile(join(directory, name), "a file");
    const own = await createTestApi(world, { STOREFRONT_DIRECTORY: directory });
    const { body } = await own.app.inject("/");
    expect(body).toContain("<h1>&#60;b&#62;Ben &#38; Anna&#39;s&#60;/b&#62; $&#38;</h1>");
    expect(body).not.toContain("{{");
    const css = await own.app.inject("/shop.css");
    expect(css.headers["content-type"]).toContain("text/css");
    expect(css.body).toContain('url("/shop/poster.png")');
    const status = async (url: string) => (await own.app.inject(url)).statusCode;
    expect(await Promise.all(["/shop/shop.svg", "/shop/poster.png"].map(status))).toEqual([200, 200]);
    const others = ["/shop/shop.json", "/shop/prices.xlsx", "/shop/..%2fshop.svg", "/shop/constructor", "/index.html"];
    expect(await Promise.all(others.map(status))).toEqual(others.map(() => 404));
    await own.close();
    await rm(directory, { recursive: true });
  });

  test.each([
    ["test cards", {}, ["/test-cards.js"]],
    ["real cards", { STRIPE_PUBLISHABLE_KEY: publishableKey }, ["/cards.js"]],
  ])(
    "everything that the storefront loads from us with %s is there, and under 60 KB in all",
    async (_name, env, more) => {
      const shop = await createTestApi(world, { STRIPE_SIMULATOR_URL: simulatorUrl, ...env });
      const asked = new Set(["/", "/favicon.svg", "/storefront.json", ...more]);
      let bytes = 0;
      for (const url of asked) {
        const { statusCode, rawPayload, body } = await shop.app.inject(url);
        expect({ url, statusCode }).toEqual({ url, statusCode: 200 });
        bytes += rawPayload.length;
        const named = /(?:from|import) "(\.\/[\w-]+\.js)"|(?:src|href)="(\/[\w.-]+\.(?:js|css|svg))"/g;
        for (const [, module, file] of body.matchAll(named)) asked.add(file ?? `/${module?.slice(2)}`);
      }
      await shop.close();
      expect([...asked]).toEqual(expect.arrayContaining(["/client.js", "/sentences.js", "/shop.css", "/sign-in.js"]));
      expect(bytes).toBeLessThan(60_000);
    },
  );

  test("a page of another origin that is let in can load the client, and all that it is made of", async () => {
    const origin = "https://records.example";
    const shop = await createTestApi(world, { CORS_ORIGINS: origin });
    const asked = new Set(["/client.js"]);
    for (const url of asked) {
      const { statusCode, headers, body } = await shop.app.inject({ url, headers: { origin } });
      expect([url, statusCode, headers["access-control-allow-origin"]]).toEqual([url, 200, origin]);
      for (const [, module] of body.matchAll(/(?:from|import) "\.(\/[\w-]+\.js)"/g)) asked.add(module ?? "");
    }
    await shop.close();
  });

  test("a script that a browser has is not sent again", async () => {
    const first = await api.app.inject("/storefront.js");
    expect(first.headers["cache-control"]).toBe("public, max-age=60");
    const again = await api.app.inject({
      url: "/storefront.js",
      headers: { "if-none-match": `W/"x", ${first.headers.etag}` },
    });
    expect([again.statusCode, again.body]).toEqual([304, ""]);
  });

  test("a shop's links are in its page, as text, and there are none where it names none", async () => {
    expect((await page("/")).body).not.toMatch(/href="\/(docs|ops)/);
    const directory = await mkdtemp(join(tmpdir(), "holdfast-shop-"));
    const links = [{ text: "Terms & <more>", address: "https://records.example/terms?a=1&b=2" }];
    await writeFile(join(directory, "shop.json"), JSON.stringify({ name: "Records", links }));
    const own = await createTestApi(world, { STOREFRONT_DIRECTORY: directory });
    expect((await own.app.inject("/")).body).toContain(
      '<a href="https://records.example/terms?a=1&#38;b=2">Terms &#38; &#60;more&#62;</a>',
    );
    await own.close();
    await rm(directory, { recursive: true });
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
      // Stripe's script, whose address is in the shop's configuration, and in its page's policy.
      const code = name === "cards.js" ? source.replace("script.src = url;", "") : source;
      const waysIn =
        /innerHTML|outerHTML|insertAdjacentHTML|setHTMLUnsafe|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\b|new Function|setTimeout\(\s*["'`]|\.(href|src)\s*=|location\s*=|window\.open|setAttribute/;
      expect({ name, wayIn: waysIn.exec(code)?.[0] ?? null }).toEqual({ name, wayIn: null });
    }
  });
});
