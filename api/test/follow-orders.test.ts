import type { Order, WaitOptions } from "@holdfast/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

interface Follower {
  follow(order: Order): void;
  forget(id: string): void;
  watch(visible: boolean): void;
  hurry(): void;
}
interface Parts {
  client: { waitFor(order: Order, options: WaitOptions): Promise<Order> };
  onOrder(order: Order): void;
  onLost(id: string, error: unknown): void;
  onConnection(reached: boolean): void;
}
// Written for browsers, in plain JavaScript; loaded here as a browser does.
const { createFollower } = (await import(new URL("../web/follow-orders.js", import.meta.url).href)) as {
  createFollower: (parts: Parts) => Follower;
};

interface Wait {
  readonly order: Order;
  readonly options: WaitOptions;
  readonly resolve: (order: Order) => void;
  readonly reject: (reason: unknown) => void;
}

describe("the storefront's long polls", () => {
  let open: Wait[];
  let lost: string[];
  let connection: boolean[];
  let follower: Follower;
  beforeEach(() => {
    vi.useFakeTimers();
    [open, lost, connection] = [[], [], []];
    follower = createFollower({
      client: {
        waitFor: (order, options) =>
          new Promise<Order>((resolve, reject) => {
            const wait = { order, options, resolve, reject };
            open.push(wait);
            options.signal?.addEventListener("abort", () => {
              open = open.filter((other) => other !== wait);
              reject(new Error("aborted"));
            });
          }),
      },
      onOrder: () => {},
      onLost: (id) => lost.push(id),
      onConnection: (reached) => connection.push(reached),
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const order = (id: number, status: Order["status"] = "queued") => ({ id: String(id), status }) as Order;
  const ids = () => open.map((wait) => wait.order.id);
  const settle = () => vi.advanceTimersByTimeAsync(0);

  test("are one for each order, three at most, and none for a final one", () => {
    for (const id of [1, 1, 2, 3, 4, 5]) follower.follow(order(id));
    follower.follow(order(6, "confirmed"));
    expect(ids()).toEqual(["1", "2", "3"]);
  });

  test("take turns where more orders wait", async () => {
    for (const id of [1, 2, 3, 4, 5]) follower.follow(order(id));
    await vi.advanceTimersByTimeAsync(8_000);
    expect(ids().toSorted()).toEqual(["1", "4", "5"]);
    await vi.advanceTimersByTimeAsync(8_000);
    expect(new Set([...ids(), "1", "4", "5"]).size).toBe(5);
  });

  test("are held as long as they last where nobody else waits", async () => {
    follower.follow(order(1));
    const [first] = open;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(open).toEqual([first]);
  });

  test("end while the page is hidden, and go on from what was known when it is seen again", async () => {
    follower.follow(order(1));
    open[0]?.options.onChange?.(order(1, "reserved"));
    follower.watch(false);
    await settle();
    expect(open).toEqual([]);
    follower.follow(order(2));
    expect(open).toEqual([]);
    follower.watch(true);
    expect(open.map((wait) => [wait.order.id, wait.order.status])).toEqual([
      ["1", "reserved"],
      ["2", "queued"],
    ]);
  });

  test("make room for the next one when an order is settled or lost", async () => {
    for (const id of [1, 2, 3, 4, 5]) follower.follow(order(id));
    open.shift()?.resolve(order(1, "confirmed"));
    open.shift()?.reject(Object.assign(new Error("gone"), { code: "order_not_found" }));
    await settle();
    expect(ids()).toEqual(["3", "4", "5"]);
    expect(lost).toEqual(["2"]);
  });

  test("say once that the shop cannot be reached, and once that it can again", () => {
    follower.follow(order(1));
    follower.follow(order(2));
    for (const wait of open) wait.options.onConnection?.("lost");
    for (const wait of open) wait.options.onConnection?.("back");
    expect(connection).toEqual([false, true]);
  });

  test("begin anew at once when the network is back", async () => {
    follower.follow(order(1));
    const [first] = open;
    follower.hurry();
    await settle();
    expect(ids()).toEqual(["1"]);
    expect(open).not.toEqual([first]);
  });
});
