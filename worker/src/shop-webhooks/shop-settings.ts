import { Type } from "typebox";
import { isPrivateAddress } from "./private-addresses.ts";

/** Where the shop's own system takes events, and how it knows that they are ours. */
export interface Shop {
  readonly url: URL;
  /** Each signs every event: two of them while one is being replaced. */
  readonly secrets: readonly string[];
  readonly allowPrivate: boolean;
}

const meanings = {
  SHOP_WEBHOOK_URL: "where the shop takes events, https://… without user and password",
  SHOP_WEBHOOK_SECRET: "whsec_ and 24 to 64 bytes in base64; two, comma-separated, while one is being replaced",
} as const;

export const shopVariables = {
  SHOP_WEBHOOK_URL: Type.Optional(Type.String({ description: meanings.SHOP_WEBHOOK_URL })),
  SHOP_WEBHOOK_SECRET: Type.Optional(Type.String({ description: meanings.SHOP_WEBHOOK_SECRET })),
  SHOP_WEBHOOK_ALLOW_PRIVATE: Type.Union([Type.Literal("on"), Type.Literal("off")], {
    default: "off",
    description: "on allows a shop on loopback and in private networks; on or off",
  }),
};

type ShopConfig = {
  readonly SHOP_WEBHOOK_URL?: string | undefined;
  readonly SHOP_WEBHOOK_SECRET?: string | undefined;
  readonly SHOP_WEBHOOK_ALLOW_PRIVATE: "on" | "off";
};

/** The shop of a configuration without `shopProblems`; null where there is none. */
export function shopOf({ SHOP_WEBHOOK_URL, SHOP_WEBHOOK_SECRET, SHOP_WEBHOOK_ALLOW_PRIVATE }: ShopConfig): Shop | null {
  if (SHOP_WEBHOOK_URL === undefined || SHOP_WEBHOOK_SECRET === undefined) return null;
  const secrets = split(SHOP_WEBHOOK_SECRET);
  return { url: new URL(SHOP_WEBHOOK_URL), secrets, allowPrivate: SHOP_WEBHOOK_ALLOW_PRIVATE === "on" };
}

/** What of it cannot be delivered with, one line per problem, without any value. */
export function shopProblems(config: ShopConfig): string[] {
  const { SHOP_WEBHOOK_URL: url, SHOP_WEBHOOK_SECRET: secret, SHOP_WEBHOOK_ALLOW_PRIVATE: allowPrivate } = config;
  if (url === undefined && secret === undefined) return [];
  if (url === undefined) return [`SHOP_WEBHOOK_URL is missing: ${meanings.SHOP_WEBHOOK_URL}`];
  if (secret === undefined) return [`SHOP_WEBHOOK_SECRET is missing: ${meanings.SHOP_WEBHOOK_SECRET}`];
  const problems: string[] = [];
  if (!isTarget(url)) problems.push(`SHOP_WEBHOOK_URL does not fit: ${meanings.SHOP_WEBHOOK_URL}`);
  else if (allowPrivate !== "on" && isPrivateAddress(new URL(url)))
    problems.push("SHOP_WEBHOOK_URL is a private address: only with SHOP_WEBHOOK_ALLOW_PRIVATE=on");
  const secrets = split(secret);
  if (secrets.length > 2 || !secrets.every(isSecret))
    problems.push(`SHOP_WEBHOOK_SECRET does not fit: ${meanings.SHOP_WEBHOOK_SECRET}`);
  return problems;
}

function isTarget(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === "https:" || protocol === "http:") && username === "" && password === "";
}

function isSecret(text: string): boolean {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  if (base64 === undefined || base64.length % 4 !== 0) return false;
  const { length } = Buffer.from(base64, "base64");
  return length >= 24 && length <= 64; // as the specification has it
}

const split = (setting: string) => setting.split(",").map((part) => part.trim());
