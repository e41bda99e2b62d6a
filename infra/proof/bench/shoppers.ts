import { randomUUID } from "node:crypto";
import { signedTokens } from "../rush/shopper-tokens.ts";

const paymentMethod = "pm_card_visa";
const addressesPerNetwork = 250;

interface RequestOptions {
  readonly path: string;
  /** Seconds the answer is held for, `Prefer: wait`. */
  readonly wait?: number;
  readonly idempotencyKey?: string;
}

/**
 * Shoppers, each with a token and a client address of their own, as a trusted proxy forwards it.
 * Their tokens are signed once: signing is not what is measured.
 */
export interface Shoppers {
  /** Of their own, for as many as sixteen million. */
  addressOf(shopper: number): string;
  /** A purchase as bytes on the wire. */
  buy(shopper: number, options: RequestOptions): Buffer;
  /** A request to read, as bytes on the wire. */
  read(shopper: number, path: string): Buffer;
}

export function shoppers(jwtSecret: string): Shoppers {
  const tokenOf = signedTokens(jwtSecret);
  const heads: string[] = [];
  const headOf = (shopper: number) => {
    const known = heads[shopper];
    if (known !== undefined) return known;
    const head = `host: shop\r\nauthorization: Bearer ${tokenOf(shopper)}\r\nx-forwarded-for: ${addressOf(shopper)}\r\n`;
    heads[shopper] = head;
    return head;
  };
  const body = JSON.stringify({ paymentMethod });
  const bodyHead = `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
  return {
    addressOf,
    buy: (shopper, { path, wait, idempotencyKey }) => {
      const more = `${wait === undefined ? "" : `prefer: wait=${wait}\r\n`}${idempotencyKey ? `idempotency-key: ${idempotencyKey}\r\n` : ""}`;
      return Buffer.from(`POST ${path} HTTP/1.1\r\n${headOf(shopper)}${bodyHead}${more}\r\n${body}`, "latin1");
    },
    read: (shopper, path) => Buffer.from(`GET ${path} HTTP/1.1\r\n${headOf(shopper)}\r\n`, "latin1"),
  };
}

function addressOf(shopper: number): string {
  const [network, host] = [Math.floor(shopper / addressesPerNetwork), shopper % addressesPerNetwork];
  return `10.${Math.floor(network / 250) % 250}.${network % 250}.${host + 1}`;
}

export function newIdempotencyKey(): string {
  return randomUUID();
}
