// The storefront: what is on sale, Buy, and the order's way from queued to confirmed. No framework, no build step.

const finalStates = ["confirmed", "cancelled", "out_of_stock", "rejected"];
const steps = ["queued", "reserved", "confirmed"];
const itemsEveryMs = 1_000;
const orderEveryMs = 400;

const byId = (id) => document.getElementById(id);
const money = (amount, currency) => {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
};

/** Asks the API; a refusal comes back as an error with the problem's title. */
async function ask(path, options = {}) {
  const response = await fetch(path, options);
  const body = await response.json();
  if (response.ok) return body;
  throw Object.assign(new Error(body.title ?? `Answer ${response.status}`), { code: body.code });
}

/** The shopper's token, from the last visit or a new guest session. */
async function shopperToken() {
  const kept = JSON.parse(localStorage.getItem("session") ?? "null");
  if (kept && Date.parse(kept.expiresAt) > Date.now() + 60_000) return kept.token;
  const session = await ask("/sessions", { method: "POST" });
  localStorage.setItem("session", JSON.stringify(session));
  return session.token;
}

/** Asks as the shopper; a token this shop no longer takes is replaced once. */
async function askAsShopper(path, options = {}) {
  const withToken = async () => ({
    ...options,
    headers: { ...options.headers, authorization: `Bearer ${await shopperToken()}` },
  });
  try {
    return await ask(path, await withToken());
  } catch (error) {
    if (error.code !== "unauthenticated") throw error;
    localStorage.removeItem("session");
    return ask(path, await withToken());
  }
}

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
  button.textContent = labels[item.status];
  button.disabled = item.status !== "available";
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
  // One key per press of the button: should the answer get lost, asking again is the same order.
  const request = {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": crypto.randomUUID() },
    body: JSON.stringify({ quantity: 1, paymentMethod }),
  };
  try {
    const order = await askAsShopper(`/purchase/${encodeURIComponent(itemId)}`, request).catch((error) => {
      if (error.code) throw error;
      return askAsShopper(`/purchase/${encodeURIComponent(itemId)}`, request);
    });
    showOrder(order, true);
    follow(order);
  } catch (error) {
    notify(error.message);
  }
}

/** The shopper's bank, played by the payment simulator: with real money, the provider's own script would ask here. */
async function answerBank(clientSecret, succeed) {
  const body = new URLSearchParams({ client_secret: clientSecret, succeed });
  await fetch(`${simulatorUrl}/_simulator/authenticate`, { method: "POST", body });
}

async function payAgain(orderId, paymentMethod) {
  const request = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ paymentMethod }),
  };
  try {
    showOrder(await askAsShopper(`/orders/${orderId}/payment`, request));
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

/** Polls an order until it is settled. */
async function follow(order) {
  let seen = order;
  while (!finalStates.includes(seen.status)) {
    await new Promise((resolve) => setTimeout(resolve, orderEveryMs));
    try {
      seen = await askAsShopper(`/orders/${order.id}`);
      showOrder(seen);
    } catch {
      // the order is safe; the next poll asks again
    }
  }
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
  if (!localStorage.getItem("session")) return;
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
