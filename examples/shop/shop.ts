// JWT_SECRET=… SHOP_WEBHOOK_SECRET=whsec_… node examples/shop/shop.ts http://127.0.0.1:3000 poster 4000 ./shop-data
// A shop around Holdfast: it knows its buyers, signs them in, sells to them, and hears what became of
// their orders. What it must not forget is in files before anybody is answered: kill it at any time.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { createClient, HoldfastError } from "@holdfast/client";
import { SignJWT } from "jose";
import { Webhook } from "standardwebhooks";

const [baseUrl = "http://127.0.0.1:3000", itemId = "poster", port = "4000", folder = "./shop-data"] =
  process.argv.slice(2);
const { JWT_SECRET = "", SHOP_WEBHOOK_SECRET = "" } = process.env;
mkdirSync(folder, { recursive: true });

/** Tokens as Holdfast's JWT_SECRET takes them: `sub` is who buys. */
const tokenOf = (buyer: string) =>
  new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(buyer)
    .setExpirationTime("1h")
    .sign(Buffer.from(JWT_SECRET));

/** The client keeps the key of each purchase here: the same buyer's purchase goes on after a crash. */
const filesOf = (buyer: string) => {
  const fileOf = (name: string) => `${folder}/${Buffer.from(`${buyer} ${name}`).toString("base64url")}.json`;
  return {
    getItem: (name: string) => (existsSync(fileOf(name)) ? readFileSync(fileOf(name), "utf8") : null),
    setItem: (name: string, value: string) => writeFileSync(fileOf(name), value),
    removeItem: (name: string) => rmSync(fileOf(name), { force: true }),
  };
};

/** Orders to send out, by id: an event may come twice, and each is a line here before it is acknowledged. */
const confirmed = new Map<string, { readonly buyer: string; readonly email: string }>();
const ledger = `${folder}/confirmed.jsonl`;
const note = (line: string) => {
  const { id, buyer, email } = JSON.parse(line) as { id: string; buyer: string; email: string };
  confirmed.set(id, { buyer, email });
};
if (existsSync(ledger)) readFileSync(ledger, "utf8").split("\n").filter(Boolean).forEach(note);

async function hear(request: IncomingMessage): Promise<void> {
  const event = new Webhook(SHOP_WEBHOOK_SECRET).verify(await text(request), request.headers as Record<string, string>);
  const { type, data } = event as {
    type: string;
    data: { id: string; shopperId: string; metadata: { email: string } };
  };
  if (type !== "order.confirmed" || confirmed.has(data.id)) return;
  const line = JSON.stringify({ id: data.id, buyer: data.shopperId, email: data.metadata.email });
  appendFileSync(ledger, `${line}\n`);
  note(line);
}

async function sell(request: IncomingMessage) {
  const { buyer, email } = JSON.parse(await text(request)) as { buyer: string; email: string };
  const client = createClient({ baseUrl, token: await tokenOf(buyer), storage: filesOf(buyer) });
  return client.buy(itemId, { paymentMethod: "pm_card_visa", metadata: { email } });
}

const routes: Record<string, (request: IncomingMessage) => Promise<unknown>> = {
  "POST /buy": sell,
  "POST /events": hear,
  "GET /confirmed": async () => Object.fromEntries(confirmed),
};

createServer((request, response) => {
  const route = routes[`${request.method} ${request.url}`] ?? (async () => null);
  route(request).then(
    (body) => response.end(JSON.stringify(body ?? {})),
    (error: Error) =>
      response.writeHead(error instanceof HoldfastError && error.definite ? 409 : 503).end(error.message),
  );
}).listen(Number(port), "127.0.0.1", () => console.log(`The shop is open on port ${port}`));
