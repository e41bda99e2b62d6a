import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readApiConfig } from "../src/config.ts";
import { contrast, textOn } from "../src/storefront/contrast.ts";
import { readShopLook } from "../src/storefront/shop-look.ts";
import { shopStylesheet } from "../src/storefront/shop-stylesheet.ts";

describe("a shop's own look", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-shop-"));
    await writeFile(join(directory, "poster.png"), "a picture");
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));
  const look = async (shop: unknown) => {
    await writeFile(join(directory, "shop.json"), JSON.stringify(shop));
    return readShopLook(directory);
  };

  test("is what its shop.json says, where everything fits", async () => {
    const shop = {
      name: "Records",
      tagline: "One pressing.",
      picture: "poster.png",
      colours: { accent: "#7c2d12", accentDark: "#fb923c" },
      itemPictures: { poster: "poster.png" },
    };
    expect(await look(shop)).toEqual(shop);
    expect(await look({ name: "Records" })).toEqual({ name: "Records" });
  });

  test.each<[string, unknown, RegExp]>([
    ["without a name", {}, /^shop\.json: \/name is missing$/],
    ["with a line break in its name", { name: "a\nb" }, /^shop\.json: \/name does not fit: a line of text/],
    ["with a word that means nothing", { name: "a", font: "b" }, /^shop\.json: \/font is unknown$/],
    ["with a colour in words", { name: "a", colours: { accent: "red" } }, /^shop\.json: \/colours\/accent .*#rrggbb$/],
    ["with a colour that would break out of the stylesheet", { name: "a", colours: { accent: "#fff}*{" } }, /#rrggbb/],
    ["too pale for a light page", { name: "a", colours: { accent: "#f5f5f4", accentDark: "#f5f5f4" } }, /too pale/],
    ["too dim for a dark page", { name: "a", colours: { accent: "#14532d" } }, /too dim.*accentDark/],
    ["with a picture that is not there", { name: "a", picture: "gone.png" }, /^gone\.png, which .* is not there$/],
    ["with a picture elsewhere", { name: "a", picture: "../secret.png" }, /^shop\.json: \/picture does not fit/],
    ["with a file that is no picture", { name: "a", itemPictures: { p: "x.html" } }, /\/itemPictures\/p does not fit/],
    [
      "with a link that would run",
      { name: "a", links: [{ text: "b", address: "javascript:c()" }] },
      /^shop\.json: \/links.*https:\/\/…/,
    ],
    ["with a link to another host in disguise", { name: "a", links: [{ text: "b", address: "//c" }] }, /\/links/],
    [
      "with nine links",
      { name: "a", links: Array.from({ length: 9 }, () => ({ text: "b", address: "/c" })) },
      /8 links/,
    ],
    ["that is no object", 1, /^shop\.json: \/ does not fit/],
  ])("%s is refused in one line", async (_name, shop, problem) => {
    const { problems } = (await look(shop)) as { problems: string[] };
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
  });

  test("says all that is wrong at once", async () => {
    const { problems } = (await look({ tagline: 1, picture: 2 })) as { problems: string[] };
    expect(problems).toHaveLength(3);
  });

  test("ends the start of the API where it does not fit, with the rest of the configuration", async () => {
    await writeFile(join(directory, "shop.json"), "{");
    const env = { STOREFRONT_DIRECTORY: directory, PORT: "many" };
    expect(() => readApiConfig(env)).toThrow(/PORT does not fit.*STOREFRONT_DIRECTORY: shop\.json cannot be read/s);
  });

  test("of the example fits", () => {
    const example = fileURLToPath(new URL("../../infra/local/shop", import.meta.url));
    expect(readShopLook(example)).toMatchObject({ name: "Holdfast Records" });
  });

  test("becomes a stylesheet in which an item's id stays a text", () => {
    const sheet = shopStylesheet({ name: "a", itemPictures: { 'x"] {} *': "a.png" } });
    expect(sheet).toContain('[data-item="x\\22 \\5d \\20 \\7b \\7d \\20 \\2a "] .picture {');
    expect(sheet).toContain('background-image: url("/shop/a.png")');
  });

  test("has text on its accent that can be read, whatever the accent", () => {
    expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
    for (let grey = 0; grey < 256; grey += 5) {
      const colour = `#${grey.toString(16).padStart(2, "0").repeat(3)}`;
      expect(contrast(colour, textOn(colour))).toBeGreaterThan(4.5);
    }
  });
});
