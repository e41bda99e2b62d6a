// JWT_SECRET=… SHOP_WEBHOOK_SECRET=whsec_… node examples/shop/shop.ts http://127.0.0.1:3000 poster 4000
// A shop around Holdfast: it signs its buyers in, sells to them, and learns from events what became
// of their orders. It may be killed at any time: a buyer's purchase has one name, and an event is
// in a file before it is acknowledged. Who a buyer is, a real shop knows by its own sign-in.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { createClient, HoldfastError } from "@holdfast/client";
import { SignJWT } from "jose";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const [baseUrl, itemId = "poster", port = "4000", file = "confirmed.jsonl"] = process.argv.slice(2);
const { JWT_SECRET, SHOP_WEBHOOK_SECRET } = process.env;
if (!baseUrl || !JWT_SECRET || !SHOP_WEBHOOK_SECRET) throw new Error("See the first line of this file.");

interface Confirmed {
  id: string;
  shopperId: string;
  metadata: { email?: string } | null;
}
/**
 * Orders to send out, by id: an event may come twice. A line that was not finished will come again.
 */
const confirmed = new Map<string, Confirmed>();
const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
for (const line of lines) {
  const order = JSON.parse(line) as Confirmed;
  confirmed.set(order.id, order);
}

async function receiveEvent(request: IncomingMessage): Promise<void> {
  const signed = await text(request);
  const event = new Webhook(SHOP_WEBHOOK_SECRET ?? "").verify(signed, request.headers as Record<string, string>);
  const { type, data } = event as { type: string; data: Confirmed };
  if (type !== "order.confirmed" || confirmed.has(data.id)) return;
  const { id, shopperId, metadata } = data;
  appendFileSync(file, `${JSON.stringify({ id, shopperId, metadata })}\n`);
  confirmed.set(id, { id, shopperId, metadata });
}

async function sell(request: IncomingMessage) {
  const { buyer, email } = JSON.parse(await text(request)) as { buyer: string; email: string };
  // As Holdfast's JWT_SECRET takes them: `sub` is who buys.
  const claims = new SignJWT().setProtectedHeader({ alg: "HS256" }).setSubject(buyer).setExpirationTime("1h");
  const client = createClient({ baseUrl, token: await claims.sign(Buffer.from(JWT_SECRET ?? "")) });
  // A repeat, after a crash too, is the same order: it has the same key.
  return client.buy(itemId, { key: `first-${itemId}`, paymentMethod: "pm_card_visa", metadata: { email } });
}

const routes: Record<string, (request: IncomingMessage) => Promise<unknown>> = {
  "POST /buy": sell,
  "POST /events": receiveEvent,
  "GET /confirmed": async () => [...confirmed.values()],
};

function statusOf(error: unknown): number {
  if (error instanceof WebhookVerificationError) return 401;
  if (error instanceof SyntaxError) return 400;
  return error instanceof HoldfastError && error.definite ? 409 : 503; // 503: asked again, it may go well
}

const server = createServer((request, response) => {
  const route = routes[`${request.method} ${request.url}`];
  if (!route) return response.writeHead(404).end();
  route(request).then(
    (body) => response.end(JSON.stringify(body ?? {})),
    (error: Error) => response.writeHead(statusOf(error)).end(error.message),
  );
});
server.listen(Number(port), "127.0.0.1", () => console.log(`The shop is open on port ${port}`));
