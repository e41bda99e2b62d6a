// The list of the shopper's orders.

import { money, orderDetail, orderNumber, orderSentence, receiptLine, time } from "./sentences.js";
import { setText } from "./set-text.js";

const isOpen = ({ status }) => status === "queued" || status === "reserved";

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
    const press = (selector, action) =>
      row.querySelector(selector).addEventListener("click", (event) => action(shown.get(order.id).order, event.target));
    press(".yes", (current) => actions.answerBank(current, true));
    press(".no", (current) => actions.answerBank(current, false));
    press(".ask-bank", actions.askBank);
    press(".pay", (current) => actions.payAgain(current, row.querySelector("select")?.value));
    press(".cancel", actions.cancel);
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
    shown.set(order.id, { row, order, seenAtMs: Date.now() });
    const { status, payment } = order;
    const asked = status === "reserved" && payment.status === "requires_action";
    const declined = status === "reserved" && payment.status === "declined";
    row.dataset.status = status;
    row.dataset.payment = payment.status ?? "";
    row.querySelector(".bank").hidden = !(asked && payment.clientSecret && testCards && asksBank);
    row.querySelector(".ask-bank").hidden = !(asked && payment.clientSecret && !testCards);
    row.querySelector(".again").hidden = !declined;
    row.querySelector(".cancel").hidden = !(status === "queued" || asked || declined);
    row.classList.toggle("won", status === "confirmed");
    row.classList.toggle("lost", !isOpen(order) && status !== "confirmed");
    const number = orderNumber(order.id);
    setText(row.querySelector(".headline"), orderSentence(order));
    for (const of of row.querySelectorAll(".of")) setText(of, ` order ${number}`);
    const facts = [`Order ${number}`, money(order.amount, order.currency), time(order.placedAt)];
    setText(row.querySelector(".facts"), facts.join(" · "));
    row.querySelector(".receipt").hidden = status !== "confirmed";
    if (status === "confirmed") setText(row.querySelector(".receipt"), receiptLine(order, nameOf(order.itemId)));
    tickOne(order.id);
    // Whoever pressed a button that is no more goes on from the order it was about.
    if (focused?.closest("[hidden]")) row.querySelector(".title").focus({ preventScroll: true });
  }

  function tickOne(id) {
    const { row, order, seenAtMs } = shown.get(id);
    setText(row.querySelector(".title"), `${order.quantity} × ${nameOf(order.itemId)}`); // names may come later
    setText(row.querySelector(".detail"), orderDetail(order, Date.now(), seenAtMs));
  }

  return {
    show,
    /** Brings an order before its shopper's eyes, and where they go on by keyboard. */
    focus(id) {
      const { row } = shown.get(id);
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      row.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
      row.querySelector(".title").focus({ preventScroll: true });
    },
    order: (id) => shown.get(id)?.order,
    /** Whether any order is still to be decided or paid. */
    hasOpen: () => [...shown.values()].some(({ order }) => isOpen(order)),
    tick() {
      for (const id of shown.keys()) tickOne(id);
    },
  };
}
