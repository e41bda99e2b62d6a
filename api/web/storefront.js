// The storefront: what is on sale, Buy, and the way of an order. No framework, no build step. This
// file holds its parts together; the rules of buying are in /client.js.

import { createClient } from "./client.js";
import { createItemFollower } from "./follow-items.js";
import { createFollower } from "./follow-orders.js";
import { createItemList } from "./item-list.js";
import { createOrderList } from "./order-list.js";
import { createOwnOrders } from "./own-orders.js";
import { announce, notify } from "./say.js";
import {
  declineSentence,
  forgetful,
  money,
  offerChange,
  orderNumber,
  orderSentence,
  outage,
  refusalSentence,
  unreachable,
} from "./sentences.js";
import { setText } from "./set-text.js";
import { readSettings } from "./settings.js";
import { fetchWithDate } from "./shop-clock.js";
import { keepsToken, ownToken, takeToken } from "./sign-in.js";

const freshMs = 120_000; // a purchase begun within this time goes on by itself after a reload
const samePressMs = 2_000; // the second click, or another tab's, may come after a fast answer
const bankTimeoutMs = 10_000; // of the simulated one

const byId = (id) => document.getElementById(id);
const settings = await readSettings(() => setText(byId("connection"), unreachable));
const client = createClient({ token: ownToken, fetch: fetchWithDate });
// The one or the other: nobody waits for what this shop does not use.
const realCards = settings.stripe && (await import("./cards.js")).createCards(settings.stripe, byId("card-dialog"));
const testCards = realCards ? null : (await import("./test-cards.js")).testCardChoice;

/** A press on Buy just after an answer, in whatever tab, is the press that was answered. */
const isBuying = (itemId) =>
  client.isBuying(itemId) || Math.abs(Date.now() - (client.answeredAt(itemId) ?? 0)) < samePressMs;

const items = createItemList({
  list: byId("item-list"),
  template: byId("item-template"),
  isBuying,
  unansweredSince: client.unansweredSince,
  onBuy: buy,
  onDrop: drop,
  testCards,
});
const orders = createOrderList({
  list: byId("order-list"),
  template: byId("order-template"),
  nameOf: items.nameOf,
  actions: { cancel, payAgain, answerBank, askBank: (order) => confirmWithBank(order, true) },
  testCards,
  asksBank: settings.simulatorUrl !== null,
});
const itemFollower = createItemFollower({
  client,
  show: showItems,
  onFailure: () => showConnection("items", false),
});
const orderFollower = createFollower({
  client,
  onOrder: showOrder,
  onLost: lostOrder,
  onConnection: (reached) => showConnection("orders", reached),
});
const ownOrders = createOwnOrders({
  client,
  onOrder: (order) => {
    showOrder(order);
    orderFollower.follow(order);
  },
  onRefusal: (error) => notify(refusalSentence(error, settings.shop.name, "reading")),
  onConnection: (reached) => showConnection("own orders", reached),
  onOlder: showOlder,
});
/** What cannot be had from the shop at the moment. */
const missing = new Set();
/** Orders that were placed or paid by this tab since it was loaded: for them it asks by itself. */
const paidHere = new Set();
/** Items that were looked at for a purchase to go on with. */
const resumed = new Set();
/** The item that a card is asked for, as its button offered it. */
let offer = null;

function showItems(shown) {
  items.show(shown);
  setText(byId("empty"), items.isEmpty() ? "Nothing is on sale at the moment." : "");
  showConnection("items", true);
  const change = offer && offerChange(offer, items.item(offer.id));
  if (change) {
    realCards.stop(offer.id);
    notify(change);
  }
  goOnBuying();
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
  // What was not answered is sent as it was: the shop says whether it needs another card.
  const card = unanswered || !realCards ? { paymentMethod } : await chooseCard(item);
  if (card === null) return;
  const buying = client.buy(item.id, card);
  items.tick();
  itemFollower.wake();
  try {
    const order = await buying;
    setTimeout(() => items.tick(), samePressMs);
    paidHere.add(order.id);
    showOrder(order);
    orders.bringUp(order.id);
    announce(`Order ${orderNumber(order.id)} for ${item.name}: ${orderSentence(order)}`);
    orderFollower.follow(order);
  } catch (error) {
    notify(refusalSentence(error, settings.shop.name));
  } finally {
    items.tick();
    itemFollower.look();
  }
}

/** Asks for a real card. @returns null where the shopper, or the shop, thought better of it */
async function chooseCard(item) {
  const { id: about, name, price: amount, currency } = item;
  offer = item;
  const confirmationToken = await realCards.ask({ title: payTitle(name, amount, currency), about, amount, currency });
  offer = null;
  if (!confirmationToken) return null;
  await itemFollower.look(); // nobody pays another price than the one on the button
  const change = offerChange(item, items.item(item.id));
  if (change) notify(change);
  return change ? null : { confirmationToken };
}

/** Asks no more for a purchase that was not answered. */
function drop(item) {
  client.forgetPurchase(item.id);
  items.tick();
  ownOrders.newest();
  notify("Forgotten in this browser. If the shop has that purchase, it is among your orders.");
}

const payTitle = (name, amount, currency) => `Pay for ${name}, ${money(amount, currency)}`;

function showOrder(order) {
  const before = orders.order(order.id);
  orders.show(order);
  byId("orders").hidden = false;
  const changed = before && (before.status !== order.status || before.payment.status !== order.payment.status);
  if (changed) {
    announce(`Order ${orderNumber(order.id)}: ${orderSentence(order)}`);
    itemFollower.wake();
  }
  if (realCards) askForPayment(order, !before || changed);
}

/** Does by itself what the shopper has to do now for an order to be paid with a real card. */
function askForPayment(order, changed) {
  const { id, status, payment } = order;
  if (status !== "reserved") realCards.stop(id);
  // Only for whoever was paying just now: in another tab, or after a reload, there is a button.
  else if (!paidHere.has(id)) return;
  else if (payment.status === "requires_action" && payment.clientSecret) confirmWithBank(order);
  else if (payment.status === "declined" && changed && !realCards.isOpen()) payAgain(order);
}

function lostOrder(id, error) {
  const message = refusalSentence(error, settings.shop.name, "reading");
  if (error.code !== "order_not_found") notify(message);
  else showOrder({ ...orders.order(id), status: "lost", position: null, message });
}

function showConnection(what, reached) {
  const wasBroken = missing.size > 0;
  if (reached) missing.delete(what);
  else missing.add(what);
  setText(byId("connection"), missing.size === 0 ? "" : orders.hasOpen() ? outage : unreachable);
  if (!wasBroken || missing.size > 0) return;
  announce("The connection is back.");
  resumed.clear();
  goOnBuying();
}

/**
 * Does what a button of an order is for, and shows what came of it.
 * @param action as refusalSentence takes it
 */
async function change(action, work) {
  notify("");
  try {
    const order = await work();
    showOrder(order);
    orderFollower.follow(order);
  } catch (error) {
    notify(refusalSentence(error, settings.shop.name, action));
  }
}

function cancel(order) {
  return change("cancel", () => client.cancel(order.id));
}

async function payAgain(order, paymentMethod) {
  const pay = (card) => change("card", () => client.payWithAnotherCard(order.id, card));
  if (!realCards) return pay({ paymentMethod });
  const { id: about, amount, currency, payment, holdExpiresAt } = order;
  const title = payTitle(items.nameOf(order.itemId), amount, currency);
  const reason = declineSentence(payment.declineCode);
  const deadlineMs = holdExpiresAt === null ? null : Date.parse(holdExpiresAt);
  const confirmationToken = await realCards.ask({ title, about, reason, amount, currency, deadlineMs });
  if (!confirmationToken) return;
  paidHere.add(order.id);
  await pay({ confirmationToken });
}

async function confirmWithBank(order, isPressed = false) {
  const problem = await realCards.confirmWithBank(order, isPressed);
  if (problem) notify(problem);
}

/** The shopper's bank, played by the simulator: with real cards, Stripe's own script asks. */
async function answerBank(order, succeed) {
  const body = new URLSearchParams({ client_secret: order.payment.clientSecret, succeed });
  const signal = AbortSignal.timeout(bankTimeoutMs);
  await fetch(`${settings.simulatorUrl}/_simulator/authenticate`, { method: "POST", body, signal }).catch(() =>
    notify("The bank does not answer. Try again."),
  );
}

/** @param older what was asked for by a press @param areMore whether there are still older ones */
function showOlder(older, areMore) {
  byId("older").hidden = !areMore;
  if (!areMore && older.length > 0) orders.focus(older[0].id); // the button that was pressed is gone
}

/**
 * A purchase that was on its way when the page was left, or the connection lost, goes on; an older
 * one waits for its shopper.
 */
function goOnBuying() {
  for (const itemId of items.ids().filter((id) => !resumed.has(id))) {
    resumed.add(itemId);
    const since = client.unansweredSince(itemId);
    if (since !== null && Date.now() - since < freshMs) buy(items.item(itemId), items.chosenCard(itemId));
  }
}

/** The shop has signed its shopper in while the page was open. */
function signIn() {
  const storage = () => window.sessionStorage;
  const token = takeToken(window.location, window.history, storage);
  if (!token) return;
  if (keepsToken(token, storage)) return window.location.reload();
  client.signIn(token); // this browser keeps nothing: a reload would lose it
  for (const id of orders.clear()) orderFollower.forget(id);
  ownOrders.newest();
}

function watch() {
  const visible = document.visibilityState === "visible";
  for (const follower of [itemFollower, orderFollower, ownOrders]) follower.watch(visible);
}

byId("older").addEventListener("click", () => ownOrders.older());
document.addEventListener("visibilitychange", watch);
window.addEventListener("online", () => {
  orderFollower.hurry();
  ownOrders.hurry();
  itemFollower.look();
});
window.addEventListener("hashchange", signIn);
window.addEventListener("pageshow", ({ persisted }) => persisted && ownOrders.newest());
// Another tab of this browser has begun or finished a purchase.
window.addEventListener("storage", ({ key }) => {
  items.tick();
  if (!key?.startsWith("holdfast:answer:")) return;
  if (offer && isBuying(offer.id)) realCards.stop(offer.id);
  ownOrders.newest();
});
setInterval(() => {
  if (document.visibilityState !== "visible") return;
  items.tick();
  orders.tick();
  if (items.opensSoon()) itemFollower.wake();
}, 1_000);

if (!client.keeps) setText(byId("forgetful"), forgetful);
watch();
ownOrders.newest();
