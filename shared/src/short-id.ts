/**
 * An order's id as Redis keeps it: 22 characters of base64url instead of a UUID's 36. A million
 * orders in line hold two of each.
 */
export function shortenId(orderId: string): string {
  return Buffer.from(orderId.replaceAll("-", ""), "hex").toString("base64url");
}

/** The UUID behind a shortened id. */
export function restoreId(short: string): string {
  const hex = Buffer.from(short, "base64url").toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
