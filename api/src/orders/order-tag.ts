import type { Order } from "@holdfast/shared/order.ts";

/**
 * An order's `ETag`: its version. Where the live view alone has what the bank's question needs, a
 * client without it has something else.
 */
export function orderTag({ version, clientSecret }: Order): string {
  return clientSecret === null ? `"${version}"` : `"${version}+"`;
}

/** The newest version that a client has, by its `If-None-Match`; null where it names none. */
export function versionOf(ifNoneMatch: string | undefined): number | null {
  const versions = [...(ifNoneMatch ?? "").matchAll(/"(\d{1,15})\+?"/g)].map(([, version]) => Number(version));
  return versions.length === 0 ? null : Math.max(...versions);
}
