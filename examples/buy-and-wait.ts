// node examples/buy-and-wait.ts http://127.0.0.1:3000 item_123
import { randomUUID } from "node:crypto";
import { guestOf, isFinal, waiting } from "./shopper.ts";

const [shop = "http://127.0.0.1:3000", itemId = "item_123"] = process.argv.slice(2);
const ask = await guestOf(shop);

// The key makes a repeat the same order: keep it until there is a definite answer, and send it
// again after a timeout.
const headers = { ...waiting, "idempotency-key": randomUUID() };
let order = await ask("POST", `/purchase/${itemId}`, { body: { paymentMethod: "pm_card_visa" }, headers });
while (!isFinal(order)) order = await ask("GET", `/orders/${order.id}`, { headers: waiting });
console.log(`${order.status}: ${order.message}`);
