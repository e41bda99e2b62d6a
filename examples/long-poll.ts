// node examples/long-poll.ts http://127.0.0.1:3000 item_123
import { createClient } from "@holdfast/client";

const [baseUrl = "http://127.0.0.1:3000", itemId = "item_123"] = process.argv.slice(2);
const shop = createClient({ baseUrl });

// Answered as soon as the order is in line; then one request for each change of it.
const placed = await shop.buy(itemId, { paymentMethod: "pm_card_visa" });
console.log(`${placed.status}, place ${placed.position}`);
await shop.waitFor(placed, { onChange: ({ status, message }) => console.log(`${status}: ${message}`) });
