import type { Item } from "@holdfast/shared/item.ts";
import { contentTag } from "../http/etag.ts";
import { unpayable } from "../orders/charge-limits.ts";

/** What operations say of an item, but for its units. Times are ISO 8601 UTC. */
export interface ItemTerms {
  readonly name: string;
  /** Per unit, in the currency's minor unit. */
  readonly price: number;
  readonly currency: string;
  readonly opensAt: string | null;
  readonly closesAt: string | null;
  readonly holdSeconds: number;
  readonly paymentRetries: number;
  readonly maxPerShopper: number | null;
}

/** Some of an item's terms, as a request has them: what is not named stays. */
export type TermsChange = { readonly [Name in keyof ItemTerms]?: ItemTerms[Name] | undefined };

/** What an item has of which nothing was said. */
const defaults = { opensAt: null, closesAt: null, holdSeconds: 600, paymentRetries: 0, maxPerShopper: null };

export type Applied =
  | { readonly kind: "terms"; readonly terms: ItemTerms }
  | { readonly kind: "invalid"; readonly field: string; readonly message: string };

/** The terms of a new item. */
export function newTerms(named: TermsChange & Pick<ItemTerms, "name" | "price" | "currency">): Applied {
  const { name, price, currency } = named;
  return applyTerms({ name, price, currency, ...defaults }, named);
}

/** Terms with a change applied, checked as a whole: what a schema cannot say of them. */
export function applyTerms(before: ItemTerms, change: TermsChange): Applied {
  for (const name of ["opensAt", "closesAt"] as const) {
    if (!isInstant(change[name])) return { kind: "invalid", field: name, message: "must be a time from 1970 to 9999" };
  }
  const named = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  const merged: ItemTerms = { ...before, ...named };
  const terms = { ...merged, opensAt: inUtc(merged.opensAt), closesAt: inUtc(merged.closesAt) };
  if (terms.opensAt !== null && terms.closesAt !== null && terms.opensAt >= terms.closesAt) {
    return { kind: "invalid", field: "closesAt", message: "must be later than opensAt" };
  }
  const reason = unpayable(terms.price, terms.currency);
  return reason === null ? { kind: "terms", terms } : { kind: "invalid", ...reason };
}

/**
 * The format lets leap seconds and the far ends of the calendar through, which the program and the
 * database cannot hold.
 */
function isInstant(text: string | null | undefined): boolean {
  if (text === null || text === undefined) return true;
  const year = new Date(text).getUTCFullYear(); // NaN where it is no time at all
  return year >= 1970 && year <= 9999;
}

function inUtc(text: string | null): string | null {
  return text === null ? null : new Date(text).toISOString();
}

export function termsOf(item: Item): ItemTerms {
  return {
    name: item.name,
    price: item.priceMinor,
    currency: item.currency,
    opensAt: item.opensAtMs === null ? null : new Date(item.opensAtMs).toISOString(),
    closesAt: item.closesAtMs === null ? null : new Date(item.closesAtMs).toISOString(),
    holdSeconds: item.holdSeconds,
    paymentRetries: item.paymentRetries,
    maxPerShopper: item.maxPerShopper,
  };
}

/**
 * The tag of what operations decide about an item. Not of its units, which every purchase changes:
 * in the middle of a sale nobody could change anything.
 */
export function itemTag(item: Item): string {
  return contentTag(JSON.stringify([termsOf(item), item.paused]));
}
