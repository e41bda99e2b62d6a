// node examples/another-card.ts http://127.0.0.1:3000 poster
// The item needs paymentRetries: see put-on-sale.ts.
import { createClient, isFinal, type Order } from "@holdfast/client";

const [baseUrl = "http://127.0.0.1:3000", itemId = "poster"] = process.argv.slice(2);
const shop = createClient({ baseUrl });

const placed = await shop.buy(itemId, { paymentMethod: "pm_card_chargeDeclinedInsufficientFunds" });
const isDeclined = (order: Order) => isFinal(order) || order.payment.status === "declined";
const declined = await shop.waitFor(placed, { until: isDeclined });
console.log(`${declined.message} (${declined.payment.declineCode})`);

// The units are held until holdExpiresAt.
const order = await shop.waitFor(await shop.payWithAnotherCard(declined.id, { paymentMethod: "pm_card_visa" }));
console.log(`${order.status}: ${order.message}`);
