// OPS_PASSWORD=… node examples/put-on-sale.ts http://127.0.0.1:3000 poster
const [shop = "http://127.0.0.1:3000", itemId = "poster"] = process.argv.slice(2);
const credentials = Buffer.from(`ops:${process.env.OPS_PASSWORD ?? ""}`).toString("base64");

const response = await fetch(`${shop}/ops/api/items/${itemId}`, {
  method: "PUT",
  headers: { authorization: `Basic ${credentials}`, "content-type": "application/json" },
  // Prices are in the currency's minor unit. Two more cards may be tried after a decline, while the
  // hold lasts.
  body: JSON.stringify({
    name: "Poster",
    price: 1_900,
    currency: "eur",
    units: 50,
    holdSeconds: 600,
    paymentRetries: 2,
  }),
});
if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
console.log(`On sale: ${shop}/items/${itemId}`);
