// node examples/cancel.ts http://127.0.0.1:3000 item_123
import { createClient } from "@holdfast/client";

const [baseUrl = "http://127.0.0.1:3000", itemId = "item_123"] = process.argv.slice(2);
const shop = createClient({ baseUrl });

// This card asks its bank first (3-D Secure), which holds the units meanwhile.
const placed = await shop.buy(itemId, { paymentMethod: "pm_card_authenticationRequired" });
const held = await shop.waitFor(placed, { until: ({ payment }) => payment.status === "requires_action" });
console.log(held.message);

const order = await shop.cancel(held.id);
console.log(`${order.status}: ${order.message}`);
