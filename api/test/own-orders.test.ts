import type { Order } from "@holdfast/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

interface OwnOrders {
  newest(): void;
  older(): Promise<void>;
  hurry(): void;
  watch(visible: boolean): void;
}
type Page = { orders: Order[]; next: string | null };
interface Parts {
  client: { hasSession(): boolean; orders(page: { after?: string }): Promise<Page> };
  onOrder(order: Order): void;
  onRefusal(error: unknown): void;
  onConnection(reached: boolean): void;
  onOlder(orders: Order[], areMore: boolean): void;
}
// Written for browsers, in plain JavaScript; loaded here as a browser does.
const { createOwnOrders } = (await import(new URL("../web/own-orders.js", import.meta.url).href)) as {
  createOwnOrders: (parts: Parts) => OwnOrders;
};

describe("the shopper's own orders", () => {
  const order = (id: string) => ({ id }) as Order;
  const lost = { definite: false, retryAfterSeconds: null };
  let answers: (Page | { definite: boolean; retryAfterSeconds: number | null })[];
  let said: unknown[];
  let asked: number;
  let own: OwnOrders;
  beforeEach(() => {
    vi.useFakeTimers();
    [answers, said, asked] = [[], [], 0];
    own = createOwnOrders({
      client: {
        hasSession: () => true,
        async orders() {
          asked += 1;
          const answer = answers.shift() ?? { orders: [order("a")], next: null };
          if ("definite" in answer) throw answer;
          return answer;
        },
      },
      onOrder: ({ id }) => said.push(id),
      onRefusal: (error) => said.push(error),
      onConnection: (reached) => said.push(reached),
      onOlder: (_orders, areMore) => said.push(areMore ? "more" : "no more"),
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const settle = () => vi.advanceTimersByTimeAsync(0);

  test("are asked for until the shop answers, less and less often, and never more than 38 s apart", async () => {
    answers = Array.from({ length: 12 }, () => ({ ...lost, retryAfterSeconds: 86_400 }));
    own.newest();
    await settle();
    expect([asked, said]).toEqual([1, [false]]);
    await vi.advanceTimersByTimeAsync(12 * 38_000);
    expect(asked).toBe(13);
    expect(said.slice(-3)).toEqual(["a", "no more", true]);
  });

  test("that are refused are not asked for again", async () => {
    const refusal = { definite: true, retryAfterSeconds: null };
    answers = [refusal];
    own.newest();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([asked, said]).toEqual([1, [true, refusal]]);
  });

  test("are not asked for while nobody looks, and are when somebody does", async () => {
    own.watch(false);
    own.newest();
    own.newest();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(0);
    own.watch(true);
    await settle();
    own.watch(true);
    await settle();
    expect(asked).toBe(1);
  });

  test("are asked for again where one was placed while they were read", async () => {
    own.newest();
    own.newest();
    await settle();
    expect(asked).toBe(2);
  });

  test("have no more older ones once all were seen, whatever is placed afterwards", async () => {
    answers = [
      { orders: [order("b")], next: "b" },
      { orders: [order("a")], next: null },
      { orders: [order("c")], next: "c" },
    ];
    own.newest();
    await settle();
    await own.older();
    own.newest();
    await settle();
    expect(said.filter((what) => what === "more" || what === "no more")).toEqual(["more", "no more", "no more"]);
  });
});
