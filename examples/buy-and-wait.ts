// node examples/buy-and-wait.ts http://127.0.0.1:3000 item_123
import { createClient } from "@holdfast/client";

const [baseUrl = "http://127.0.0.1:3000", itemId = "item_123"] = process.argv.slice(2);
const shop = createClient({ baseUrl });

// Sent under a key of its own, and again under the same key where an answer is lost: one order.
const placed = await shop.buy(itemId, { paymentMethod: "pm_card_visa" });
const order = await shop.waitFor(placed);
console.log(`${order.status}: ${order.message}`);
