import type { Order, WaitOptions } from "@holdfast/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

interface Follower {
  follow(order: Order): void;
  forget(id: string): void;
  watch(visible: boolean): void;
  hurry(): void;
}
interface Parts {
  client: { waitFor(known: string | Order, options: WaitOptions): Promise<Order> };
  onOrder(order: Order): void;
  onLost(id: string, error: unknown): void;
  onConnection(reached: boolean): void;
}
// Written for browsers, in plain JavaScript; loaded here as a browser does.
const { createFollower } = (await import(new URL("../web/follow-orders.js", import.meta.url).href)) as {
  createFollower: (parts: Parts) => Follower;
};

interface Wait {
  readonly known: string | Order;
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
        waitFor: (known, options) =>
          new Promise<Order>((resolve, reject) => {
            const wait = { known, options, resolve, reject };
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
  const idOf = ({ known }: Wait) => (typeof known === "string" ? known : known.id);
  const ids = () => open.map(idOf);
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
    expect(open.map(({ known }) => known)).toEqual([order(1, "reserved"), order(2)]);
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

  test("give the oldest turn to an order that is placed after all of them have lasted long enough", async () => {
    for (const id of [1, 2, 3]) follower.follow(order(id));
    await vi.advanceTimersByTimeAsync(60_000);
    follower.follow(order(4));
    await settle();
    expect(ids()).toEqual(["2", "3", "4"]);
  });

  test("leave nobody out, whenever an order joins the line", async () => {
    for (const id of [1, 2, 3]) follower.follow(order(id));
    await vi.advanceTimersByTimeAsync(4_000);
    follower.follow(order(4));
    await vi.advanceTimersByTimeAsync(4_000);
    expect(ids()).toContain("4");
  });

  test.each([
    ["begins anew because the network is back", async () => follower.hurry()],
    ["makes room for another order", async () => void (await vi.advanceTimersByTimeAsync(8_000))],
    [
      "ends while nobody looks",
      async () => {
        follower.watch(false);
        follower.watch(true);
      },
    ],
  ])("say that the shop can be reached with the first answer after a turn that %s in an outage", async (_name, end) => {
    for (const id of [1, 2, 3, 4]) follower.follow(order(id));
    open[0]?.options.onConnection?.("lost");
    await end();
    await settle();
    await vi.advanceTimersByTimeAsync(8_000);
    const again = open.find((wait) => idOf(wait) === "1");
    expect(again?.known).toBe("1"); // the whole order: a long poll would say nothing for a while
    expect(connection).toEqual([false]);
    again?.options.onChange?.(order(1));
    expect(connection).toEqual([false, true]);
  });
});
