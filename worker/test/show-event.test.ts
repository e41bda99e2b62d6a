import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { showEvent } from "../src/shop-webhooks/show-event.ts";

const docs = await readFile(new URL("../../docs/shop-webhooks.md", import.meta.url), "utf8");
const examples = [...docs.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => JSON.parse(text ?? "") as Example);

interface Example {
  readonly type: string;
  readonly timestamp: string;
  readonly data: Record<string, unknown>;
}

/** The row that an example would be made of. */
function payloadOf({ data }: Example): Record<string, unknown> {
  const payment = (data.payment ?? {}) as Record<string, unknown>;
  return {
    id: data.id,
    // An order's
    shopper_id: data.shopperId,
    item_id: data.itemId,
    quantity: data.quantity,
    amount_minor: data.amount,
    currency: data.currency,
    status: data.status,
    reason: data.reason,
    payment_status: payment.status,
    decline_code: payment.declineCode,
    metadata: data.metadata,
    placed_at: data.placedAt,
    reserved_at: data.reservedAt,
    settled_at: data.settledAt,
    hold_expires_at: data.holdExpiresAt,
    version: 1,
    // An item's
    name: data.name,
    price_minor: data.price,
    inventory: data.available,
    opens_at: data.opensAt,
    closes_at: data.closesAt,
  };
}

test("the documentation shows every event as it is sent, to the letter", () => {
  for (const example of examples) {
    const { type, timestamp } = example;
    const event = { id: "1", type, payload: payloadOf(example), createdAt: new Date(timestamp) };
    expect(JSON.parse(showEvent(event))).toEqual(example);
  }
});

test("the documentation has an example of each event that the database writes", async () => {
  const sql = await readFile(new URL("../../migrations/sql/010_shop_events.sql", import.meta.url), "utf8");
  const [, list] = /type in \(([^)]*)\)/.exec(sql) ?? [];
  const types = [...(list ?? "").matchAll(/'([\w.]+)'/g)].map(([, type = ""]) => type);
  expect(types).toHaveLength(6);
  expect(examples.map(({ type }) => type).sort()).toEqual([...types].sort());
});

test("a scheduled, ended or sold-out item is shown as it was at the moment of the event", () => {
  const item = examples.find(({ type }) => type === "item.available") as Example;
  const createdAt = new Date("2026-11-27T10:00:00Z");
  const statusWith = (terms: object) => {
    const payload = { ...payloadOf(item), ...terms };
    return (JSON.parse(showEvent({ id: "1", type: item.type, payload, createdAt })) as Example).data.status;
  };
  expect(statusWith({ opens_at: "2026-11-27T10:00:00.001+00:00" })).toBe("scheduled");
  expect(statusWith({ closes_at: "2026-11-27T10:00:00+00:00" })).toBe("ended");
  expect(statusWith({ inventory: 0 })).toBe("out_of_stock");
});
