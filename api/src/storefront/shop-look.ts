import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Static, Type } from "typebox";
import { Errors } from "typebox/value";
import { contrast } from "./contrast.ts";

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength, pattern: "^[^\\p{Cc}\\p{Cs}]*$" });
const colour = Type.String({ pattern: "^#[0-9A-Fa-f]{6}$" });
const picture = Type.String({ pattern: "^[A-Za-z0-9_-][A-Za-z0-9._-]*\\.(svg|png|jpg|jpeg|webp|avif)$" });

/** A page of the shop's, or one elsewhere: nothing that runs as a script. */
const address = Type.String({ maxLength: 300, pattern: "^(/(?!/)|https://)[^\\s\"'<>\\\\]*$" });
const maxLinks = 8; // a line on a phone

/** What `shop.json` says in the folder that `STOREFRONT_DIRECTORY` names. */
const shopFile = Type.Object(
  {
    name: text(60),
    tagline: Type.Optional(text(160)),
    picture: Type.Optional(picture),
    colours: Type.Optional(
      Type.Object({ accent: colour, accentDark: Type.Optional(colour) }, { additionalProperties: false }),
    ),
    itemPictures: Type.Optional(Type.Record(Type.String(), picture)),
    links: Type.Optional(
      Type.Array(Type.Object({ text: text(40), address }, { additionalProperties: false }), { maxItems: maxLinks }),
    ),
  },
  { additionalProperties: false },
);

/** How a shop's storefront looks. Without a folder it is Holdfast's own. */
export type ShopLook = Static<typeof shopFile>;

export const ownLook: ShopLook = {
  name: "Holdfast",
  tagline: "A hundred units, everyone at once, nobody left guessing.",
};

const maxPictureBytes = 1024 * 1024; // a phone in a crowd loads them all at once

/** Read once, at start. A look is returned, or one line for each thing wrong with it. */
export function readShopLook(directory: string): ShopLook | { readonly problems: readonly string[] } {
  let shop: unknown;
  try {
    shop = JSON.parse(readFileSync(join(directory, "shop.json"), "utf8"));
  } catch (error) {
    return { problems: [`shop.json cannot be read: ${(error as Error).message}`] };
  }
  const misfits = Errors(shopFile, shop).flatMap(describe);
  if (misfits.length > 0) return { problems: [...new Set(misfits)] };
  const look = shop as ShopLook;
  const problems = [...colourProblems(look), ...picturesOf(look).flatMap((file) => pictureProblem(directory, file))];
  return problems.length > 0 ? { problems } : look;
}

/** The files that are served; nothing else in the folder is. */
export function picturesOf({ picture: own, itemPictures = {} }: ShopLook): string[] {
  return [...new Set([...(own ? [own] : []), ...Object.values(itemPictures)])];
}

function describe({ keyword, instancePath, params }: ReturnType<typeof Errors>[number]): string[] {
  const { requiredProperties, additionalProperties } = params as Partial<Record<string, string[]>>;
  if (requiredProperties) return requiredProperties.map((name) => `shop.json: ${instancePath}/${name} is missing`);
  if (additionalProperties) return additionalProperties.map((name) => `shop.json: ${instancePath}/${name} is unknown`);
  if (keyword === "boolean") return []; // said above, by its name
  return [`shop.json: ${instancePath || "/"} does not fit: ${meaning(instancePath)}`];
}

function meaning(path: string): string {
  if (path.startsWith("/colours/")) return "a colour as #rrggbb";
  if (/^\/(picture$|itemPictures\/)/.test(path))
    return "the name of an .svg, .png, .jpg, .webp or .avif file beside it";
  if (/^\/(name|tagline)$/.test(path))
    return "a line of text, 60 characters at most for the name and 160 for the tagline";
  if (path.startsWith("/links"))
    return `${maxLinks} links at most, each a text of 40 characters at most and an address, /… or https://…`;
  return "see docs/storefront.md";
}

// The storefront's own paper (storefront.css), which the accent is seen on.
const paper = { light: "#fafaf9", dark: "#1c1917" };
const leastContrast = 3; // WCAG 2.2, 1.4.11: what a button is recognised by

function colourProblems({ colours }: ShopLook): string[] {
  if (!colours) return [];
  const { accent, accentDark = accent } = colours;
  const pale = contrast(accent, paper.light) < leastContrast;
  const dim = contrast(accentDark, paper.dark) < leastContrast;
  const name = colours.accentDark ? "/colours/accentDark" : "/colours/accent";
  return [
    ...(pale
      ? [`shop.json: /colours/accent ${accent} is too pale for buttons on a light page: take a darker one`]
      : []),
    ...(dim
      ? [`shop.json: ${name} ${accentDark} is too dim for buttons on a dark page: give a lighter one as accentDark`]
      : []),
  ];
}

function pictureProblem(directory: string, file: string): string[] {
  const found = statSync(join(directory, file), { throwIfNoEntry: false });
  if (!found?.isFile()) return [`${file}, which shop.json names, is not there`];
  return found.size > maxPictureBytes ? [`${file} is larger than a megabyte`] : [];
}
