import { startShopReceiver } from "@holdfast/testing/shop-receiver.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createShopWorld, type ShopWorld } from "./shop-world.ts";

describe("an address of the shop that leads inside", () => {
  let world: ShopWorld;
  beforeEach(async () => {
    world = await createShopWorld();
    await world.reserve(1);
  });
  afterEach(() => world.close());

  // What is no name was refused at start already.
  test.each(["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"])("is not connected to: %s", async (host) => {
    const url = new URL(`http://${host}:${new URL(world.shop.url).port}/`);
    await world.deliverOnce(world.parts({ url, allowPrivate: false }));
    expect((await world.rows())[0]).toMatchObject({
      outcome: null,
      tries: 1,
      lastError: expect.stringMatching(/not allowed.*private IP address/),
    });
    expect(world.shop.received).toEqual([]);
  });

  test.each(["localhost", "127.0.0.1"])("is not connected to over https either: %s", async (host) => {
    const url = new URL(`https://${host}:${new URL(world.shop.url).port}/`);
    await world.deliverOnce(world.parts({ url, allowPrivate: false }));
    expect((await world.rows())[0]?.lastError).toMatch(/not allowed.*private IP address/);
  });

  test("is connected to where SHOP_WEBHOOK_ALLOW_PRIVATE is on", async () => {
    const url = new URL(`http://localhost:${new URL(world.shop.url).port}/`);
    await world.deliverOnce(world.parts({ url, allowPrivate: true }));
    expect((await world.rows())[0]).toMatchObject({ outcome: "delivered" });
  });

  test.each([301, 302, 303, 307, 308])("is not come to by a redirect of %i", async (status) => {
    const outside = await startShopReceiver({ location: world.shop.url });
    outside.answer(() => status);
    await world.deliverOnce(world.parts({ url: new URL(outside.url) }));
    expect((await world.rows())[0]).toMatchObject({ outcome: null, lastError: `HTTP ${status}` });
    expect(world.shop.received).toEqual([]);
    await outside.close();
  });
});
