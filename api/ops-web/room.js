// The operations room: follows the sale, and says so where it cannot.

import { ask } from "./ask.js";
import { addMoment, showHistory } from "./charts.js";
import { setClass, setText } from "./dom.js";
import "./find-orders.js";
import { createItem, recheckAll } from "./item-actions.js";
import "./lists.js";
import { showSale } from "./panels.js";
import { clockTime } from "./say.js";

const live = document.querySelector("#live");
const silentAfterMs = 6_000; // it is measured every second
let heardAtMs = null;
let latest = null;
let waiting = false;

document.querySelector("#create").addEventListener("click", createItem);
document.querySelector("#recheck").addEventListener("click", recheckAll);

// However often it comes, it is shown once a frame; and not at all while nobody looks.
function show() {
  waiting = false;
  showSale(latest);
  addMoment(latest.moment);
}

function sayState() {
  const silentMs = heardAtMs === null ? Number.POSITIVE_INFINITY : performance.now() - heardAtMs;
  const isLive = silentMs < silentAfterMs;
  setClass(live, isLive ? "good" : "bad");
  if (isLive) setText(live, "● live");
  else if (latest === null) setText(live, "Connecting …");
  else setText(live, `▲ not live since ${clockTime(latest.atMs)}; trying again`);
}

function follow() {
  const source = new EventSource("/ops/api/live");
  source.addEventListener("history", ({ data }) => showHistory(JSON.parse(data)));
  source.addEventListener("sale", ({ data }) => {
    const sale = JSON.parse(data);
    if (sale.atMs !== latest?.atMs) heardAtMs = performance.now();
    latest = sale;
    sayState();
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(show);
    }
  });
  source.addEventListener("error", () => {
    sayState();
    // A refusal ends it for good; a broken connection it makes anew by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3_000);
  });
}

setInterval(sayState, 1_000);
follow();

const { body: me } = await ask("GET", "/me");
setText(document.querySelector("#operator"), `${me.operator}${me.role === "look" ? ", may look" : ""}`);
document.body.classList.toggle("looks", me.role === "look");
