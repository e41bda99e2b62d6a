// Finds orders, and shows one order's whole story with what can be done about it.

import { ask } from "./ask.js";
import { confirmAction } from "./dialog.js";
import { make } from "./dom.js";
import { moment, money } from "./say.js";

const found = document.querySelector("#found");
const query = document.querySelector("#query");
let showing = 0; // a slow answer to an earlier search never replaces a later one's

document.querySelector("#search").addEventListener("submit", (event) => {
  event.preventDefault();
  void search(query.value.trim());
});

const orderId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** One box: what it is follows from how it looks. */
function search(text) {
  if (orderId.test(text)) return show(() => story(text.toLowerCase()));
  const filter = /^pi_/.test(text) ? { payment: text } : { shopper: text };
  return show(() => list(filter, text));
}

async function show(load) {
  const mine = ++showing;
  found.hidden = false;
  found.replaceChildren(make("p", { class: "quiet" }, "Looking …"));
  const children = await load().catch((refusal) => [make("p", { class: "bad" }, refusal.message)]);
  if (mine !== showing) return;
  found.replaceChildren(...children, make("p", {}, make("button", { onclick: close }, "Close")));
  found.querySelector("h2, h3")?.focus();
}

function close() {
  showing += 1;
  found.hidden = true;
  found.replaceChildren();
  query.focus();
}

async function list(filter, text) {
  const [{ body }, waiting] = await Promise.all([
    ask("GET", `/orders?${new URLSearchParams({ ...filter, limit: "50" })}`),
    "shopper" in filter ? ordersInLine(filter.shopper) : [],
  ]);
  const heading = make("h2", { tabindex: "-1" }, `Orders of ${text}`);
  const tools = "shopper" in filter ? [shopperTools(filter.shopper)] : [];
  if (body.orders.length === 0 && waiting.length === 0) {
    const nothing = "No order. One that is still in line is found by its shopper alone.";
    return [heading, make("p", { class: "quiet" }, nothing), ...tools];
  }
  const rows = body.orders.map((order) =>
    make(
      "li",
      {},
      make("button", { onclick: () => void show(() => story(order.id)) }, order.id),
      ` ${order.quantity} × ${order.itemId}, ${money(order.amount, order.currency)}, ${order.status}, ${moment(order.placedAt)}`,
    ),
  );
  const more = body.next === null ? [] : [make("p", { class: "quiet" }, "The newest fifty; there are more.")];
  return [heading, make("ul", { class: "story" }, ...waiting, ...rows), ...more, ...tools];
}

async function ordersInLine(shopper) {
  const { body } = await ask("GET", `/shoppers/${encodeURIComponent(shopper)}`);
  return body.inLine.map(({ id, itemId, quantity, amount, currency, placedAt }) =>
    make(
      "li",
      {},
      `${id} ${quantity} × ${itemId}, ${money(amount, currency)}, waiting in line since ${moment(placedAt)}`,
    ),
  );
}

function shopperTools(shopper) {
  const path = `/shoppers/${encodeURIComponent(shopper)}`;
  const forget = () =>
    confirmAction({
      title: "Forget this shopper",
      button: "Forget",
      text: "Their orders stay, for the books, under an identity that stands for nobody; what the shop kept with them is erased. It cannot be undone.",
      act: async () => {
        await ask("DELETE", path);
        close();
      },
    });
  const all = make("a", { href: `/ops/api${path}` }, "All that is known of them (JSON)");
  return make("p", { class: "row" }, all, make("button", { class: "act", onclick: forget }, "Forget this shopper"));
}

async function story(id) {
  const { body: order } = await ask("GET", `/orders/${id}`);
  const heading = make("h2", { tabindex: "-1" }, `Order ${order.id}`);
  const summary = `${order.quantity} × ${order.itemId}, ${money(order.amount, order.currency)}. ${order.message}.`;
  const told = order.events.map(({ at, sentence }) =>
    make("li", {}, make("time", { datetime: at }, moment(at)), ` ${sentence}`),
  );
  const details = [
    ["Status", order.reason === null ? order.status : `${order.status}, ${order.reason}`],
    ["Shopper", order.shopperId],
    ["Payment", order.paymentIntent ?? "none"],
    ["Refunded", order.refundedAmount === 0 ? "nothing" : money(order.refundedAmount, order.currency)],
    ["Placed", moment(order.placedAt)],
  ];
  const facts = details.map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", { class: "quiet" }, value)),
  );
  const others = order.otherPayments.map((one) =>
    make(
      "li",
      {},
      `Another payment, ${one.paymentIntent ?? "searched for"}: ${one.outcome ?? `to be ${one.nextStep}ed`}.`,
    ),
  );
  return [
    heading,
    make("p", {}, summary),
    make(
      "ol",
      { class: "story" },
      make("li", {}, make("time", { datetime: order.placedAt }, moment(order.placedAt)), " The order was placed."),
      ...told,
      ...others,
    ),
    make("dl", { class: "figures" }, ...facts),
    make("p", { class: "row" }, ...orderTools(order)),
  ];
}

function orderTools(order) {
  const path = `/orders/${order.id}`;
  const again = () => void show(() => story(order.id));
  const refund = () =>
    confirmAction({
      title: "Refund this order",
      button: "Refund",
      fields: [
        { label: "Put its units on sale again", name: "returnUnits", type: "checkbox" },
        { label: "Reason (the customer may read it)", name: "reason", maxlength: 500 },
      ],
      text: ({ returnUnits }) =>
        `Gives ${money(order.amount - order.refundedAmount, order.currency)} back to the shopper. The order becomes refunded, and its ${order.quantity} ${order.quantity === 1 ? "unit is" : "units are"} ${returnUnits ? "on sale again" : "taken out of the stock"}. It cannot be undone.`,
      act: async ({ returnUnits, reason }) => {
        await ask("POST", `${path}/refund`, { body: { returnUnits, ...(reason && { reason }) } });
        again();
      },
    });
  const recheck = () =>
    confirmAction({
      title: "Ask about this payment",
      button: "Ask now",
      text: "The payment provider is asked now what became of it. Nobody is charged by it.",
      act: async () => {
        await ask("POST", `${path}/recheck`);
        again();
      },
    });
  const refundable = order.status === "confirmed" && order.refund === null && !order.disputed;
  return [
    make("button", { onclick: again }, "Look again"),
    ...(refundable ? [make("button", { class: "act", onclick: refund }, "Refund …")] : []),
    ...(order.refund && order.status === "confirmed"
      ? [make("span", { class: "warn" }, "The refund is under way.")]
      : []),
    make("button", { class: "act", onclick: recheck }, "Ask the provider …"),
  ];
}
