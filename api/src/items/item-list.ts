import { isRehearsal } from "@holdfast/shared/item.ts";
import { type ShownItem, showItem } from "@holdfast/shared/show-item.ts";
import { contentTag } from "../http/etag.ts";
import type { ItemCatalog } from "./item-catalog.ts";

/** All items as they are shown, with their tag. */
export interface ShownList {
  readonly body: string;
  readonly tag: string;
}

/**
 * Reads the list that a whole crowd asks for: made once for each change of an item, or of its
 * sale's state by the time.
 */
export function itemListReader(items: ItemCatalog): (nowMs: number) => ShownList {
  let revision = -1;
  let goodUntilMs = 0;
  let shown: ShownList = { body: "", tag: "" };
  return (nowMs) => {
    if (items.revision() === revision && nowMs < goodUntilMs) return shown;
    revision = items.revision();
    const list = items.list().filter(({ id }) => !isRehearsal(id));
    const body = JSON.stringify(list.map((item): ShownItem => showItem(item, nowMs)));
    shown = { body, tag: contentTag(body) };
    const turns = list.flatMap(({ opensAtMs, closesAtMs }) => [opensAtMs ?? 0, closesAtMs ?? 0]);
    goodUntilMs = Math.min(...turns.filter((atMs) => atMs > nowMs), Number.MAX_SAFE_INTEGER);
    return shown;
  };
}
