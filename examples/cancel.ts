// node examples/cancel.ts http://127.0.0.1:3000 item_123
import { guestOf, waiting } from "./shopper.ts";

const [shop = "http://127.0.0.1:3000", itemId = "item_123"] = process.argv.slice(2);
const ask = await guestOf(shop);

// This card asks its bank first (3-D Secure), which holds the units meanwhile.
const card = { paymentMethod: "pm_card_authenticationRequired" };
let order = await ask("POST", `/purchase/${itemId}`, { body: card, headers: waiting });
while (order.payment.status === "pending") order = await ask("GET", `/orders/${order.id}`, { headers: waiting });
console.log(order.message);

order = await ask("DELETE", `/orders/${order.id}`);
console.log(`${order.status}: ${order.message}`);
