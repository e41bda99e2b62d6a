// What is said of what has just happened.

import { setText } from "./set-text.js";

const byId = (id) => document.getElementById(id);

/**
 * Said to those who do not see the page.
 * The same text again is written in another way, or it is not read out.
 */
export function announce(text) {
  const dialog = byId("card-dialog");
  // While the dialog is open, nothing outside of it is read out.
  const where = dialog.open ? dialog.querySelector('[data-part="said"]') : byId("announcement");
  where.textContent = where.textContent === text ? `${text}\u00a0` : text;
}

/** Said to everybody, until there is something else to say. */
export function notify(text) {
  setText(byId("notice"), text);
}
