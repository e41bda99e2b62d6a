// What the room says, as functions of what it is sent.

import { money } from "/sentences.js";

export { money };

const plain = new Intl.NumberFormat();
export const count = (number) => plain.format(number);

/** A span as a person says it. */
export function span(seconds) {
  if (seconds === null) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3_600).toFixed(1)} h`;
}

export const clockTime = (ms) => new Date(ms).toLocaleTimeString();
export const moment = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

const sales = {
  available: "On sale",
  out_of_stock: "Out of stock",
  scheduled: "Opens",
  paused: "Paused",
  ended: "Over",
};

export function saleText({ status, opensAt, paused }) {
  if (status !== "scheduled" || !opensAt) return sales[status] ?? status;
  return `Opens ${moment(opensAt)}${paused ? ", paused" : ""}`;
}

/** Counts by name, the most first: "12 paid, 3 declined". */
export function byName(counts) {
  const all = Object.entries(counts).filter(([, number]) => number > 0);
  all.sort(([, a], [, b]) => b - a);
  return all.map(([name, number]) => `${count(number)} ${name.replaceAll("_", " ")}`).join(", ") || "none";
}

export function memberText({ kind, pid, host }) {
  return `${kind === "api" ? "API server" : "Worker"} ${pid} on ${host}`;
}

const states = { up: "up", down: "does not answer", read_only: "takes no writes" };
export const storageText = ({ state, answerMs }) =>
  `${states[state] ?? state}${answerMs === null || state !== "up" ? "" : `, answers in ${Math.max(1, Math.round(answerMs))} ms`}`;

export function shopText({ served, waiting, failing, oldestFailingSeconds, lastError }) {
  if (!served) return "No worker delivers to a shop.";
  if (failing === 0) return waiting === 0 ? "All delivered." : `${count(waiting)} on their way.`;
  return `${count(failing)} not taken, for ${span(oldestFailingSeconds)}: ${lastError ?? "no answer"}.`;
}
