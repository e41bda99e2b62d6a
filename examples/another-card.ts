// node examples/another-card.ts http://127.0.0.1:3000 poster
// The item needs paymentRetries: see put-on-sale.ts.
import { randomUUID } from "node:crypto";
import { guestOf, isFinal, waiting } from "./shopper.ts";

const [shop = "http://127.0.0.1:3000", itemId = "poster"] = process.argv.slice(2);
const ask = await guestOf(shop);

const card = { paymentMethod: "pm_card_chargeDeclinedInsufficientFunds" };
let order = await ask("POST", `/purchase/${itemId}`, { body: card, headers: waiting });
while (order.payment.status === "pending") order = await ask("GET", `/orders/${order.id}`, { headers: waiting });
console.log(`${order.message} (${order.payment.declineCode})`);

// The units are held until holdExpiresAt. A try has a key of its own, for the same reason as a
// purchase.
const headers = { "idempotency-key": randomUUID() };
order = await ask("POST", `/orders/${order.id}/payment`, { body: { paymentMethod: "pm_card_visa" }, headers });
while (!isFinal(order)) order = await ask("GET", `/orders/${order.id}`, { headers: waiting });
console.log(`${order.status}: ${order.message}`);
