import { hash } from "node:crypto";
import type { ShownItem } from "@holdfast/shared/show-item.ts";

/** The `ETag` of what is shown: the time alone may change an item's status. */
export function itemTag(shown: ShownItem | readonly ShownItem[]): string {
  return `"${hash("sha1", JSON.stringify(shown), "base64url")}"`;
}
