// The storefront: what is on sale, Buy, and the order's way from queued to confirmed. No framework, no build step.

import { createShop, finalStates, lastingStorage } from "./shop.js";

const steps = ["queued", "reserved", "confirmed"];
const itemsEveryMs = 1_000;

const shop = createShop({
  fetch: (...request) => fetch(...request),
  storage: lastingStorage(() => localStorage),
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
});
const { ask, askAsShopper } = shop;
const byId = (id) => document.getElementById(id);
const money = (amount, currency) => {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
};

function showItem(item) {
  let card = document.querySelector(`[data-item="${CSS.escape(item.id)}"]`);
  if (!card) {
    card = byId("item-template").content.firstElementChild.cloneNode(true);
    card.dataset.item = item.id;
    card.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      buy(item.id, new FormData(event.target).get("paymentMethod"));
    });
    byId("items").append(card);
  }
  card.querySelector(".name").textContent = item.name;
  card.querySelector(".price").textContent = money(item.price, item.currency);
  const left = document.createElement("b");
  left.textContent = item.available;
  card.querySelector(".left").replaceChildren(left, item.available === 1 ? "unit left" : "units left");
  const button = card.querySelector("button");
  const labels = { available: "Buy", out_of_stock: "Out of stock", scheduled: "Not open yet", ended: "Sale is over" };
  const [buying, unanswered] = [shop.isBuying(item.id), shop.isUnanswered(item.id)];
  button.textContent = buying ? "Buying …" : unanswered ? "Ask again" : labels[item.status];
  button.disabled = buying || !(unanswered || item.status === "available");
}

async function showItems() {
  try {
    const items = await ask("/items");
    const quiet = byId("items").querySelector(":scope > .quiet");
    if (items.length > 0) quiet?.remove();
    else if (quiet) quiet.textContent = "Nothing is on sale at the moment.";
    items.forEach(showItem);
  } catch {
    notify("The shop does not answer. Trying again …");
    return;
  }
  if (byId("notice").textContent.startsWith("The shop")) notify("");
}

async function buy(itemId, paymentMethod) {
  notify("");
  const button = document.querySelector(`[data-item="${CSS.escape(itemId)}"] button`);
  const buying = shop.buy(itemId, paymentMethod);
  button.disabled = true;
  try {
    const order = await buying;
    showOrder(order, true);
    follow(order);
  } catch (error) {
    notify(error.message);
  } finally {
    showItems();
  }
}

/** The shopper's bank, played by the payment simulator: with real money, the provider's own script would ask here. */
async function answerBank(clientSecret, succeed) {
  const body = new URLSearchParams({ client_secret: clientSecret, succeed });
  await fetch(`${simulatorUrl}/_simulator/authenticate`, { method: "POST", body });
}

async function payAgain(orderId, paymentMethod) {
  try {
    showOrder(await shop.payWithAnotherCard(orderId, paymentMethod));
  } catch (error) {
    notify(error.message);
  }
}

async function cancel(orderId) {
  try {
    showOrder(await askAsShopper(`/orders/${orderId}`, { method: "DELETE" }));
  } catch (error) {
    notify(error.message);
  }
}

async function follow(order) {
  await shop.follow(order, (seen) => showOrder(seen));
  showItems();
}

function showOrder(order, first = false) {
  byId("orders").hidden = false;
  let row = document.querySelector(`[data-order="${order.id}"]`);
  if (!row) {
    row = byId("order-template").content.firstElementChild.cloneNode(true);
    row.dataset.order = order.id;
    for (const button of row.querySelectorAll(".bank button")) {
      button.addEventListener("click", () => answerBank(row.dataset.secret, button.dataset.answer));
    }
    row
      .querySelector(".again button")
      .addEventListener("click", (event) => payAgain(order.id, event.target.dataset.card));
    row.querySelector(".cancel").addEventListener("click", () => cancel(order.id));
    if (first) byId("order-list").prepend(row);
    else byId("order-list").append(row);
  }
  row.dataset.status = order.status;
  row.dataset.secret = order.payment.clientSecret ?? "";
  const held = order.status === "reserved";
  const asked = held && order.payment.status === "requires_action" && order.payment.clientSecret && simulatorUrl;
  row.querySelector(".bank").hidden = !asked;
  row.querySelector(".again").hidden = !(held && order.payment.status === "declined");
  row.querySelector(".cancel").hidden = !(
    order.status === "queued" ||
    (held && ["requires_action", "declined"].includes(order.payment.status))
  );
  row.classList.toggle("won", order.status === "confirmed");
  row.classList.toggle("lost", finalStates.includes(order.status) && order.status !== "confirmed");
  row.querySelector(".message").textContent = order.message;
  const details = [
    `${order.quantity} × ${order.itemId}`,
    money(order.amount, order.currency),
    order.position && `place ${order.position} in line`,
    order.payment.declineCode?.replaceAll("_", " "),
  ];
  row.querySelector(".detail").textContent = details.filter(Boolean).join(" · ");
  const reached = steps.indexOf(order.status);
  [...row.querySelectorAll(".steps li")].forEach((step, i) => {
    step.classList.toggle("done", i <= reached);
  });
}

function notify(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = text === "";
}

async function showOwnOrders() {
  if (!shop.hasSession()) return;
  const orders = await askAsShopper("/orders").catch(() => []);
  for (const order of orders) {
    showOrder(order);
    if (!finalStates.includes(order.status)) follow(order);
  }
}

const { simulatorUrl } = await ask("/storefront.json").catch(() => ({ simulatorUrl: null }));
await showItems();
await showOwnOrders();
setInterval(showItems, itemsEveryMs);
