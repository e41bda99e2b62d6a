// What is said of what has just happened.

import { setText } from "./set-text.js";

const byId = (id) => document.getElementById(id);

let pending = [];

/**
 * Said to those who do not see the page. What is said at once is read out together: the second text
 * would take the place of the first.
 */
export function announce(text) {
  pending.push(text);
  if (pending.length === 1) queueMicrotask(write);
}

function write() {
  const text = pending.join(" ");
  pending = [];
  const dialog = byId("card-dialog");
  // While the dialog is open, nothing outside of it is read out.
  const where = dialog.open ? dialog.querySelector('[data-part="said"]') : byId("announcement");
  // The same again is written in another way, or it is not read out.
  where.textContent = where.textContent === text ? `${text}\u00a0` : text;
}

/** Said to everybody, until there is something else to say. */
export function notify(text) {
  setText(byId("notice"), text);
}
