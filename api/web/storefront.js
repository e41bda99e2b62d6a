// The storefront: what is on sale, Buy, and the way of an order. No framework, no build step. This file
// holds its parts together; the rules of buying are in /client.js.

import { createCards } from "./cards.js";
import { createClient } from "./client.js";
import { createItemFollower } from "./follow-items.js";
import { createFollower } from "./follow-orders.js";
import { createItemList } from "./item-list.js";
import { createOrderList } from "./order-list.js";
import {
  declineSentence,
  money,
  orderNumber,
  orderSentence,
  outage,
  refusalSentence,
  unreachable,
} from "./sentences.js";
import { setText } from "./set-text.js";
import { ownToken, takeToken } from "./sign-in.js";

const freshMs = 120_000; // a purchase begun within this time goes on by itself after a reload
const samePressMs = 2_000; // the second click, or another tab's, may come after a fast answer
const ordersPerPage = 10;
const startPauseMs = 2_000; // before asking again for what the page cannot do without
const startTimeoutMs = 10_000;

const byId = (id) => document.getElementById(id);
const settings = await readSettings();
const client = createClient({ token: ownToken });
const realCards = settings.stripe && createCards(settings.stripe, byId("card-dialog"));

/** A press on Buy in the moment after an answer, in whatever tab, is the press that was answered. */
const isBuying = (itemId) =>
  client.isBuying(itemId) || Math.abs(Date.now() - (client.answeredAt(itemId) ?? 0)) < samePressMs;

const items = createItemList({
  list: byId("item-list"),
  template: byId("item-template"),
  isBuying,
  unansweredSince: client.unansweredSince,
  onBuy: buy,
  testCards: !realCards,
});
const orders = createOrderList({
  list: byId("order-list"),
  template: byId("order-template"),
  nameOf: items.nameOf,
  actions: { cancel, payAgain, answerBank, askBank: (order) => confirmWithBank(order, true) },
  testCards: realCards ? null : () => byId("item-template").content.querySelector("select").cloneNode(true),
  asksBank: settings.simulatorUrl !== null,
});
const itemFollower = createItemFollower({ client, show: showItems, onFailure: () => showConnection("items", false) });
const orderFollower = createFollower({
  client,
  onOrder: showOrder,
  onLost: lostOrder,
  onConnection: (reached) => showConnection("orders", reached),
});
/** What cannot be had from the shop at the moment. */
const missing = new Set();

/** Said once, to those who do not see the page. */
function announce(text) {
  setText(byId("announcement"), text);
}

/** Said to everybody, until there is something else to say. */
function notify(text) {
  setText(byId("notice"), text);
}

async function readSettings() {
  for (;;) {
    try {
      const response = await fetch("/storefront.json", { signal: AbortSignal.timeout(startTimeoutMs) });
      if (response.ok) return await response.json();
    } catch {
      // asked again below
    }
    setText(byId("connection"), unreachable);
    await new Promise((resolve) => setTimeout(resolve, startPauseMs));
  }
}

function showItems(shown) {
  items.show(shown);
  setText(byId("empty"), items.isEmpty() ? "Nothing is on sale at the moment." : "");
  showConnection("items", true);
}

/**
 * Buys one unit, or goes on with a purchase of this item that was never answered.
 * @param paymentMethod a test card of the simulator, where there are no real ones
 */
async function buy(item, paymentMethod) {
  if (isBuying(item.id)) return;
  const unanswered = client.unansweredSince(item.id) !== null;
  if (!unanswered && item.status !== "available") return;
  if (!settings.guests && !client.hasSession()) return notify(`Sign in at ${settings.shop.name} to buy.`);
  notify("");
  const card = unanswered ? cardIfNeeded(item, paymentMethod) : await chooseCard(item, paymentMethod);
  if (card === null) return;
  const buying = client.buy(item.id, card);
  items.tick();
  itemFollower.wake();
  try {
    const order = await buying;
    setTimeout(() => items.tick(), samePressMs);
    showOrder(order);
    orders.focus(order.id);
    announce(`Order ${orderNumber(order.id)} for ${item.name}: ${orderSentence(order)}`);
    orderFollower.follow(order);
  } catch (error) {
    if (error.code !== undefined) notify(refusalSentence(error, settings.shop.name));
  } finally {
    items.tick();
    itemFollower.look();
  }
}

/** What a new purchase is paid with; null where the shopper thought better of it. */
async function chooseCard(item, paymentMethod) {
  if (!realCards) return { paymentMethod };
  const { price: amount, currency } = item;
  const title = payTitle(item.name, amount, currency);
  const confirmationToken = await realCards.ask({ title, about: item.id, amount, currency });
  return confirmationToken && { confirmationToken };
}

/** The card was given before the answer got lost: another one only where that one has grown old. */
function cardIfNeeded(item, paymentMethod) {
  if (!realCards) return { paymentMethod };
  const confirmationToken = async () => {
    const card = await chooseCard(item);
    if (card === null) throw new Error("No card was given");
    return card.confirmationToken;
  };
  return { confirmationToken };
}

const payTitle = (name, amount, currency) => `Pay for ${name}, ${money(amount, currency)}`;

function showOrder(order) {
  const before = orders.order(order.id);
  orders.show(order);
  byId("orders").hidden = false;
  const { status, payment } = order;
  const changed = before && (before.status !== status || before.payment.status !== payment.status);
  if (changed) {
    announce(`Order ${orderNumber(order.id)}: ${orderSentence(order)}`);
    itemFollower.wake();
  }
  if (realCards) askForPayment(order, changed);
}

/** Does by itself what the shopper has to do now for an order to be paid with a real card. */
function askForPayment(order, changed) {
  const { status, payment } = order;
  if (status !== "reserved") realCards.stop(order.id);
  else if (payment.status === "requires_action" && payment.clientSecret) confirmWithBank(order);
  // Only for whoever was paying just now: after a reload there is a button.
  else if (payment.status === "declined" && changed && !realCards.isOpen()) payAgain(order);
}

function lostOrder(id, error) {
  const message = refusalSentence(error, settings.shop.name);
  if (error.code === "unauthenticated") notify(message);
  else showOrder({ ...orders.order(id), status: "lost", position: null, message });
}

function showConnection(what, reached) {
  const wasBroken = missing.size > 0;
  if (reached) missing.delete(what);
  else missing.add(what);
  setText(byId("connection"), missing.size === 0 ? "" : orders.hasOpen() ? outage : unreachable);
  if (!wasBroken || missing.size > 0) return;
  announce("The connection is back.");
  goOnBuying();
}

/** Does what a button of an order is for, and shows what came of it. */
async function change(work) {
  notify("");
  try {
    const order = await work();
    showOrder(order);
    orderFollower.follow(order);
  } catch (error) {
    notify(refusalSentence(error, settings.shop.name));
  }
}

function cancel(order) {
  return change(() => client.cancel(order.id));
}

async function payAgain(order, paymentMethod) {
  if (!realCards) return change(() => client.payWithAnotherCard(order.id, { paymentMethod }));
  const { amount, currency, payment } = order;
  const title = payTitle(items.nameOf(order.itemId), amount, currency);
  const reason = declineSentence(payment.declineCode);
  const deadlineMs = order.holdExpiresAt === null ? null : Date.parse(order.holdExpiresAt);
  const confirmationToken = await realCards.ask({ title, about: order.id, reason, amount, currency, deadlineMs });
  if (confirmationToken) await change(() => client.payWithAnotherCard(order.id, { confirmationToken }));
}

async function confirmWithBank(order, again = false) {
  const problem = await realCards.confirmWithBank(order.payment.clientSecret, again);
  if (problem) notify(problem);
}

/** The shopper's bank, played by the payment simulator: with real cards, Stripe's own script asks. */
async function answerBank(order, succeed) {
  const body = new URLSearchParams({ client_secret: order.payment.clientSecret, succeed });
  const signal = AbortSignal.timeout(startTimeoutMs);
  await fetch(`${settings.simulatorUrl}/_simulator/authenticate`, { method: "POST", body, signal }).catch(() =>
    notify("The bank does not answer. Try again."),
  );
}

let nextPage = null;

/** Shows the newest of the shopper's orders, or with `after` those before. */
async function showOwnOrders(after = null) {
  if (!client.hasSession()) return;
  try {
    const page = await client.orders({ limit: ordersPerPage, after });
    for (const order of page.orders) {
      showOrder(order);
      orderFollower.follow(order);
    }
    if (after !== null || nextPage === null) nextPage = page.next;
    byId("older").hidden = nextPage === null;
  } catch (error) {
    notify(refusalSentence(error, settings.shop.name));
  }
}

/**
 * A purchase that was on its way when the page was left, or the connection lost, goes on; an older
 * one waits for its shopper.
 */
function goOnBuying() {
  for (const itemId of items.ids()) {
    const since = client.unansweredSince(itemId);
    if (since !== null && Date.now() - since < freshMs) buy(items.item(itemId), items.chosenCard(itemId));
  }
}

function watch() {
  const visible = document.visibilityState === "visible";
  itemFollower.watch(visible);
  orderFollower.watch(visible);
}

byId("older").addEventListener("click", () => showOwnOrders(nextPage));
document.addEventListener("visibilitychange", watch);
window.addEventListener("online", () => {
  orderFollower.hurry();
  itemFollower.look();
});
// The shop has signed its shopper in while the page was open.
window.addEventListener("hashchange", () => {
  if (takeToken(window.location, window.history, () => window.sessionStorage)) window.location.reload();
});
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) showOwnOrders();
});
// Another tab of this browser has begun or finished a purchase.
window.addEventListener("storage", ({ key }) => {
  items.tick();
  const [, itemId] = /^holdfast:answer:(.+)$/.exec(key ?? "") ?? [];
  if (!itemId) return;
  if (realCards) realCards.stop(itemId);
  showOwnOrders();
});
setInterval(() => {
  if (document.visibilityState !== "visible") return;
  items.tick();
  orders.tick();
  if (items.opensSoon()) itemFollower.wake();
}, 1_000);

await itemFollower.look();
await showOwnOrders();
goOnBuying();
watch();
