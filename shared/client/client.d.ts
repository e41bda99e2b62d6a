// client.js with ask.js and keep.js: all three together stay under 5 KB (5 * 1024 bytes: gzip of
// one concatenation without comment lines, as the API serves it from /client.js and beside).

import type { components } from "./api.js";

export type Order = components["schemas"]["Order"];
export type OrderPage = components["schemas"]["OrderPage"];
export type Item = components["schemas"]["Item"];
export type Problem = components["schemas"]["Problem"];
/** `expiresAt` is null for a shop's own token that does not say. */
export type Session = Omit<components["schemas"]["Session"], "expiresAt"> & { expiresAt: string | null };

/** What a purchase is paid with: one of the two, as the API takes them. */
export type Card =
  | { readonly paymentMethod: string; readonly confirmationToken?: undefined }
  /**
   * A function is asked where the purchase has no card yet, and not again: the first one counts.
   */
  | { readonly confirmationToken: string | (() => string | Promise<string>); readonly paymentMethod?: undefined };

export type Purchase = Card & {
  /** Units, 1 unless told otherwise. */
  readonly quantity?: number | undefined;
  /** The shop's own words about the purchase: kept with the order. */
  readonly metadata?: Record<string, string> | undefined;
  /**
   * A name of the caller's own for this purchase, such as a cart's: whoever repeats it, after a
   * crash too, means the same order. Without one, the client makes and keeps its key itself.
   */
  readonly key?: string | undefined;
};

export interface WaitOptions {
  /** When the waiting is over; where an order is final unless told otherwise. */
  readonly until?: ((order: Order) => boolean) | undefined;
  /** Called with every answer of the shop: a new state, or a new place in line. */
  readonly onChange?: ((order: Order) => void) | undefined;
  /** Called with "lost" when the shop cannot be reached, and with "back" when it can again. */
  readonly onConnection?: ((state: "lost" | "back") => void) | undefined;
  /** Ends the waiting: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface KeptText {
  getItem(name: string): string | null;
  setItem(name: string, text: string): void;
  removeItem(name: string): void;
}

export interface ClientOptions {
  /**
   * Where the API is, such as `https://shop.example`; the page's own address unless told otherwise.
   */
  readonly baseUrl?: string | undefined;
  /** A shop's own token for its shopper: then there are no guest sessions. */
  readonly token?: string | null | undefined;
  /**
   * Keeps keys and the guest's session beyond a crash, shared by the tabs of a browser. In a
   * browser it is localStorage, elsewhere this client's own memory: a program that is to survive
   * its own crash in the middle of a purchase passes one of its own.
   */
  readonly storage?: KeptText | undefined;
  /** Web Locks over the same tabs; without them a lease in the storage does. */
  readonly locks?: Pick<LockManager, "request"> | undefined;
  readonly fetch?: ((url: string, options: RequestInit) => Promise<Response>) | undefined;
  /** Waits for so many milliseconds; a signal ends it early. */
  readonly pause?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
}

export interface Client {
  /** All that is on sale. The same array again where nothing has changed: the shop answered 304. */
  items(): Promise<Item[]>;
  /**
   * Buys. One key stands for the shopper's intention, is kept before anything is sent, and goes
   * only with a definite answer: until then every call, here, in another tab or after a reload,
   * goes on with the same purchase, its quantity and card included, and asks for no other card. One
   * that has grown old meanwhile comes back as an order that was declined with `stale_token`. It is
   * sent three times at most in one call.
   * @throws HoldfastError `session_ended` where it may have gone through for a shopper who is
   *   signed in no more: kept, and nothing is sent, until `forgetPurchase`
   */
  buy(itemId: string, purchase: Purchase): Promise<Order>;
  /**
   * Gives up on a purchase that was never answered, which may have gone through all the same: what
   * is bought next is another one. For a shopper who was told so, and not while `isBuying`.
   */
  forgetPurchase(itemId: string): void;
  /** Whether a purchase of this item is being sent by this page. */
  isBuying(itemId: string): boolean;
  /**
   * When a purchase of this item was last answered, in whatever tab, in milliseconds since 1970.
   */
  answeredAt(itemId: string): number | null;
  /** When an item was bought that has no definite answer yet, in milliseconds since 1970. */
  unansweredSince(itemId: string): number | null;
  /**
   * Follows an order by one long poll at a time, through outages and restarts, until it is final.
   * @throws HoldfastError where there is nothing to wait for: `order_not_found`; `session_ended`,
   *   where the order goes on, and only its shopper can ask for it
   */
  waitFor(order: string | Order, options?: WaitOptions): Promise<Order>;
  /**
   * Another card, while the hold lasts. The same card pressed again before an answer is the same
   * try.
   * @throws HoldfastError
   */
  payWithAnotherCard(orderId: string, card: Card): Promise<Order>;
  /**
   * Asked for three times at most, which is safe: a repeat answers with the cancelled order.
   * @throws HoldfastError such as `payment_in_progress`
   */
  cancel(orderId: string): Promise<Order>;
  /** Asked for three times at most. @throws HoldfastError */
  order(orderId: string): Promise<Order>;
  /** One's own orders, newest first; asked for once. @throws HoldfastError */
  orders(page?: { limit?: number | undefined; after?: string | null | undefined }): Promise<OrderPage>;
  /**
   * Whether keys and sessions last over a reload. Where they do not, as with storage forbidden, a
   * guest who leaves the page loses sight of what was bought.
   */
  readonly keeps: boolean;
  /**
   * The shopper's session; a guest's is opened where there is none, one at a time over all tabs. It
   * is good until the shop refuses it (401). Then a purchase that nobody has taken yet opens
   * another; whatever belongs to the shopper before, an order, a card, a cancellation, ends in
   * `session_ended`.
   */
  session(): Promise<Session>;
  /** Whether there is a session, without opening one. */
  hasSession(): boolean;
  /**
   * A shop's own token from now on, in place of guest sessions. A 401 is then reported, and no
   * guest replaces it. What is kept of a purchase is kept for the token's shopper (`sub`) apart.
   */
  signIn(token: string): void;
}

export class HoldfastError extends Error {
  /** The problem's `code`, or `session_ended`; null where no answer of the shop's came. */
  readonly code: string | null;
  /** HTTP; 0 where there was no answer. */
  readonly status: number;
  readonly detail: string | null;
  readonly retryAfterSeconds: number | null;
  /**
   * Whether nothing was done and nothing will be; otherwise it may have been taken all the same.
   */
  readonly definite: boolean;
}

export function createClient(options?: ClientOptions): Client;

/** Whether nothing more happens to an order, but for a refund. */
export function isFinal(order: Pick<Order, "status">): boolean;
