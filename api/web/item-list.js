// The list of what is on sale.

import { buyLabel, money } from "./sentences.js";
import { setText } from "./set-text.js";
import { shopNow } from "./shop-clock.js";

/**
 * @param list the `<ul>` @param template of one item
 * @param isBuying @param unansweredSince what is under way, by an item's id
 * @param onBuy called with an item and the test card chosen, if there is a choice
 * @param onDrop called with an item whose unanswered purchase is not to be asked for any more
 * @param testCards makes what a test card is chosen by; null where cards are real
 */
export function createItemList({ list, template, isBuying, unansweredSince, onBuy, onDrop, testCards }) {
  const rows = new Map();
  let items = [];

  function rowOf(item) {
    const known = rows.get(item.id);
    if (known) return known;
    const row = template.content.firstElementChild.cloneNode(true);
    row.dataset.item = item.id;
    if (testCards) row.querySelector("select").replaceWith(testCards());
    else row.querySelector(".test-card").remove();
    row.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const current = items.find(({ id }) => id === item.id) ?? item;
      onBuy(current, new FormData(event.target).get("paymentMethod"));
    });
    row.querySelector(".drop").addEventListener("click", () => onDrop(item));
    rows.set(item.id, row);
    list.append(row);
    return row;
  }

  function showItem(item, nowMs) {
    const row = rowOf(item);
    setText(row.querySelector(".name"), item.name);
    for (const of of row.querySelectorAll(".of")) setText(of, ` ${item.name}`);
    setText(row.querySelector(".price"), money(item.price, item.currency));
    setText(row.querySelector(".count"), String(item.available));
    setText(row.querySelector(".unit"), item.available === 1 ? "unit left" : "units left");
    row.querySelector(".left").hidden = item.status !== "available" && item.status !== "scheduled";
    const state = { buying: isBuying(item.id), unanswered: unansweredSince(item.id) !== null };
    const { text, ready } = buyLabel(item, nowMs, state);
    const button = row.querySelector("[type=submit]");
    const drop = row.querySelector(".drop");
    const isDropped = drop === document.activeElement;
    drop.hidden = state.buying || !state.unanswered;
    if (drop.hidden && isDropped) button.focus();
    setText(button.querySelector(".action"), text);
    // Not the attribute `disabled`: it would take the focus away from whoever has just pressed.
    button.ariaDisabled = String(!ready);
    row.dataset.status = item.status;
  }

  return {
    show(shown) {
      items = shown;
      for (const [id, row] of rows) {
        if (items.some((item) => item.id === id)) continue;
        row.remove();
        rows.delete(id);
      }
      this.tick();
    },
    /** What changes with the time alone, and what another tab may have done. */
    tick() {
      for (const item of items) showItem(item, shopNow());
    },
    isEmpty: () => items.length === 0,
    /** Whether a sale opens within the next ten seconds, or should be open. */
    opensSoon: () =>
      items.some(({ status, opensAt }) => status === "scheduled" && Date.parse(opensAt) - shopNow() < 10_000),
    nameOf: (itemId) => items.find(({ id }) => id === itemId)?.name ?? itemId,
    item: (itemId) => items.find(({ id }) => id === itemId),
    chosenCard: (itemId) => rows.get(itemId)?.querySelector("select")?.value,
    ids: () => items.map(({ id }) => id),
  };
}
