import { textOn } from "./contrast.ts";
import type { ShopLook } from "./shop-look.ts";

/**
 * A shop's colours and pictures as a stylesheet: the page's policy lets nothing be styled inline.
 * The pictures are backgrounds, since they say nothing that the names beside them do not.
 */
export function shopStylesheet({ colours, picture, itemPictures = {} }: ShopLook): string {
  const rules: string[] = [];
  if (colours) {
    const { accent, accentDark = accent } = colours;
    rules.push(`:root {
  --accent: light-dark(${accent}, ${accentDark});
  --on-accent: light-dark(${textOn(accent)}, ${textOn(accentDark)});
}`);
  }
  if (picture) rules.push(pictureRule(".shop-picture", picture));
  for (const [itemId, file] of Object.entries(itemPictures)) {
    rules.push(pictureRule(`[data-item="${inString(itemId)}"] .picture`, file));
  }
  return `${rules.join("\n")}\n`;
}

const pictureRule = (selector: string, file: string) => `${selector} {
  display: block;
  background-image: url("/shop/${file}");
}`;

/** https://www.w3.org/TR/css-syntax-3/#escaping */
const inString = (id: string) => id.replaceAll(/[^\w-]/gu, (letter) => `\\${letter.codePointAt(0)?.toString(16)} `);
