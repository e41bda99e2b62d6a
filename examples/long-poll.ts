// node examples/long-poll.ts http://127.0.0.1:3000 item_123
import { guestOf, isFinal, waiting } from "./shopper.ts";

const [shop = "http://127.0.0.1:3000", itemId = "item_123"] = process.argv.slice(2);
const ask = await guestOf(shop);

// Answered as soon as the order is in line; then one request for each change of it.
let order = await ask("POST", `/purchase/${itemId}`, { body: { paymentMethod: "pm_card_visa" } });
console.log(`${order.status}, place ${order.position}`);
while (!isFinal(order)) {
  order = await ask("GET", `/orders/${order.id}`, { headers: waiting });
  console.log(`${order.status}: ${order.message}`);
}
