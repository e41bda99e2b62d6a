// The list of the shopper's orders.

import { isOpen, money, orderDetail, orderNumber, orderSentence, receiptLine, time } from "./sentences.js";
import { setText } from "./set-text.js";
import { shopNow } from "./shop-clock.js";

/**
 * @param list the `<ol>` @param template of one order @param nameOf an item's name
 * @param actions what its buttons do: `cancel`, `payAgain`, `answerBank`, `askBank`
 * @param testCards makes what a test card is chosen by; null where cards are real
 * @param asksBank whether somebody plays the bank: the simulator, or with real cards Stripe
 */
export function createOrderList({ list, template, nameOf, actions, testCards, asksBank }) {
  /** By id: the row, the order, and when it was answered. */
  const shown = new Map();

  function addRow(order) {
    const row = template.content.firstElementChild.cloneNode(true);
    row.dataset.order = order.id;
    addActions(row, () => shown.get(order.id).order, actions);
    if (testCards) row.querySelector("select").replaceWith(testCards());
    else {
      row.querySelector(".test-card").remove();
      row.querySelector(".which").textContent = " with another card"; // which one, the dialog asks
    }
    place(row, order);
    return row;
  }

  /** Newest first. */
  function place(row, { placedAt }) {
    const older = [...list.children].find((other) => shown.get(other.dataset.order).order.placedAt < placedAt);
    list.insertBefore(row, older ?? null);
  }

  function show(order) {
    const row = shown.get(order.id)?.row ?? addRow(order);
    const focused = row.contains(document.activeElement) ? document.activeElement : null;
    shown.set(order.id, { row, order, seenAtMs: shopNow() });
    showButtons(row, order, { testCards, asksBank });
    showTexts(row, order, nameOf);
    tickOne(order.id);
    // Whoever pressed a button that is no more goes on from the order it was about.
    if (focused?.closest("[hidden]")) focus(order.id);
  }

  function focus(id) {
    shown.get(id).row.querySelector(".title").focus({ preventScroll: true });
  }

  function tickOne(id) {
    const { row, order, seenAtMs } = shown.get(id);
    setText(row.querySelector(".title"), `${order.quantity} × ${nameOf(order.itemId)}`); // names may come later
    setText(row.querySelector(".detail"), orderDetail(order, shopNow(), seenAtMs));
  }

  return {
    show,
    focus,
    /** Brings an order before its shopper's eyes, and where they go on by keyboard. */
    bringUp(id) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      shown.get(id).row.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
      focus(id);
    },
    order: (id) => shown.get(id)?.order,
    /** Whether any order is still to be decided or paid. */
    hasOpen: () => [...shown.values()].some(({ order }) => isOpen(order)),
    tick() {
      for (const id of shown.keys()) tickOne(id);
    },
    /** Takes all orders away: they are another shopper's. @returns their ids */
    clear() {
      const ids = [...shown.keys()];
      shown.clear();
      list.replaceChildren();
      return ids;
    },
  };
}

function addActions(row, order, { answerBank, askBank, payAgain, cancel }) {
  const press = (selector, action) => row.querySelector(selector).addEventListener("click", () => action(order()));
  press(".yes", (current) => answerBank(current, true));
  press(".no", (current) => answerBank(current, false));
  press(".ask-bank", askBank);
  press(".pay", (current) => payAgain(current, row.querySelector("select")?.value));
  press(".cancel", cancel);
}

function showButtons(row, { status, payment }, { testCards, asksBank }) {
  const asked = status === "reserved" && payment.status === "requires_action";
  const declined = status === "reserved" && payment.status === "declined";
  row.querySelector(".bank").hidden = !(asked && payment.clientSecret && testCards && asksBank);
  row.querySelector(".ask-bank").hidden = !(asked && payment.clientSecret && !testCards);
  row.querySelector(".again").hidden = !declined;
  row.querySelector(".cancel").hidden = !(status === "queued" || asked || declined);
}

function showTexts(row, order, nameOf) {
  const { status, payment } = order;
  const confirmed = status === "confirmed";
  row.dataset.status = status;
  row.dataset.payment = payment.status ?? "";
  row.classList.toggle("won", confirmed);
  row.classList.toggle("lost", !isOpen(order) && !confirmed);
  const number = orderNumber(order.id);
  setText(row.querySelector(".headline"), orderSentence(order));
  for (const of of row.querySelectorAll(".of")) setText(of, ` order ${number}`);
  const facts = [`Order ${number}`, money(order.amount, order.currency), time(order.placedAt)];
  setText(row.querySelector(".facts"), facts.join(" · "));
  row.querySelector(".receipt").hidden = !confirmed;
  if (confirmed) setText(row.querySelector(".receipt"), receiptLine(order, nameOf(order.itemId)));
}
