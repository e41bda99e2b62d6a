// Shows the sale as it is now. Rows and figures are made once, and only what has changed is set.

import { buildRow, keyedChildren, make, setClass, setText } from "./dom.js";
import * as actions from "./item-actions.js";
import { byName, clockTime, count, memberText, moment, money, saleText, shopText, span, storageText } from "./say.js";

const byId = (id) => document.querySelector(`#${id}`);
const bodyOf = (id) => byId(id).querySelector("tbody");

const showAlarms = keyedChildren(
  byId("alarms"),
  ({ id }) => id,
  () => {
    const [heading, sentence, detail] = [make("h3"), make("p"), make("p", { class: "quiet" })];
    return {
      node: make("div"),
      show(alarm) {
        if (!heading.isConnected) this.node.append(heading, sentence, detail);
        setClass(this.node, `alarm ${alarm.severity}`);
        setText(heading, `${alarm.severity === "critical" ? "Critical" : "Warning"}, since ${moment(alarm.since)}`);
        setText(sentence, alarm.sentence);
        setText(detail, `${alarm.detail} Runbook: ${alarm.name}`.trim());
      },
    };
  },
);

const figureOf = ([name]) => {
  const value = make("dd");
  return {
    node: make("div", {}, make("dt", {}, name), value),
    show([, text, kind = ""]) {
      setText(value, text);
      setClass(value, kind);
    },
  };
};
const showFigures = keyedChildren(byId("figures"), ([name]) => name, figureOf);
const showStorage = keyedChildren(byId("storage"), ([name]) => name, figureOf);

const button = (label, act, entry) => make("button", { onclick: () => act(entry()) }, label);

const itemLabels = [
  ["Item"],
  ["Sale"],
  ["Stocked", "number"],
  ["Left", "number"],
  ["Held", "number"],
  ["Confirmed", "number"],
  ["Refunded", "number"],
  ["Takings", "number"],
  ["In line", "number"],
  ["Books"],
  ["Actions"],
];

const showItems = keyedChildren(
  bodyOf("item-table"),
  ({ id }) => id,
  (first) => {
    let item = first;
    const now = () => item;
    const add = {
      pause: button("Pause …", actions.pause, now),
      resume: button("Resume …", actions.resume, now),
      open: button("Open now …", actions.openNow, now),
      close: button("Close now …", actions.closeNow, now),
    };
    const exported = `/ops/api/orders/export?item=${encodeURIComponent(first.id)}&format=`;
    const buttons = make(
      "span",
      { class: "buttons act" },
      button("Add units …", actions.restock, now),
      button("Withdraw …", actions.withdraw, now),
      button("Change …", (one) => void actions.changeItem(one), now),
      ...Object.values(add),
    );
    const files = make(
      "span",
      { class: "quiet" },
      make("a", { href: `${exported}csv` }, "CSV"),
      " ",
      make("a", { href: `${exported}ndjson` }, "NDJSON"),
    );
    const name = make("span");
    return buildRow(itemLabels, (entry, cells) => {
      item = entry;
      if (!name.isConnected) {
        cells[0].append(name, make("br"), make("span", { class: "quiet" }, item.id));
        cells[10].append(make("span", {}, buttons, files));
      }
      setText(name, item.name);
      setText(cells[1], saleText(item));
      const texts = [item.stocked, item.inventory, item.reserved, item.confirmed, item.refunded].map(count);
      for (const [index, text] of texts.entries()) setText(cells[index + 2], text);
      const back = item.refundedAmount === 0 ? "" : `, ${money(item.refundedAmount, item.currency)} refunded`;
      setText(cells[7], `${money(item.taken, item.currency)}${back}`);
      setText(cells[8], item.waiting === 0 ? "0" : `${count(item.waiting)}, ${count(item.perSecond)}/s`);
      setText(cells[9], item.balanced ? "● balance" : "▲ are off");
      setClass(cells[9], item.balanced ? "good" : "bad");
      add.pause.hidden = item.paused || item.status === "ended";
      add.resume.hidden = !item.paused;
      add.open.hidden = item.status !== "scheduled";
      add.close.hidden = item.status === "ended" || item.status === "scheduled";
    });
  },
);

const laneLabels = [
  ["Lane"],
  ["State"],
  ["In line", "number"],
  ["First waits", "number"],
  ["Failed", "number"],
  ["Actions"],
];
const showLanes = keyedChildren(
  bodyOf("lane-table"),
  ({ number }) => number,
  (first) => {
    let lane = first;
    const now = () => lane;
    const buttons = [button("Pause …", actions.pauseLane, now), button("Resume …", actions.resumeLane, now)];
    return buildRow(laneLabels, (entry, cells) => {
      lane = entry;
      if (!buttons[0].isConnected) cells[5].append(make("span", { class: "buttons act" }, ...buttons));
      setText(cells[0], String(lane.number));
      setText(cells[1], lane.paused ? "▲ paused" : "● decides");
      setClass(cells[1], lane.paused ? "warn" : "good");
      setText(cells[2], count(lane.waiting));
      setText(cells[3], span(lane.headSeconds));
      setText(cells[4], count(lane.failed));
      setClass(cells[4], lane.failed > 0 ? "number bad" : "number");
      buttons[0].hidden = lane.paused;
      buttons[1].hidden = !lane.paused;
    });
  },
);

const memberLabels = [["Process"], ["State"], ["Does"], ["Version"], ["Held up", "number"]];
const memberStates = { up: ["● up", "good"], leaving: ["finishing", "warn"], gone: ["▲ gone", "bad"] };
const showMembers = keyedChildren(
  bodyOf("member-table"),
  ({ id }) => id,
  () =>
    buildRow(memberLabels, (member, cells) => {
      const [text, kind] = memberStates[member.state];
      setText(cells[0], memberText(member));
      setText(cells[1], text);
      setClass(cells[1], kind);
      setText(cells[2], member.kind === "api" ? "serves" : member.roles.join(", "));
      setText(cells[3], member.version);
      setText(cells[4], `${Math.round(member.eventLoopDelayMs)} ms`);
    }),
);

function figures({ decision, charges, provider, payments, requests, orders, lanes }) {
  const waiting = lanes.reduce((sum, lane) => sum + lane.waiting, 0);
  const inMinute = `${span(decision.p50Seconds)} · ${span(decision.p99Seconds)}`;
  const error = provider.lastError;
  return [
    ["In line", count(waiting)],
    ["Press to answer: half, 99 of 100", inMinute],
    ["Decided and settled in the last minute", byName(orders), "quiet"],
    ["Charges in the last minute", byName(charges.outcomes), "quiet"],
    [
      "Payments that wait for their turn",
      charges.backlog === 0
        ? "none"
        : `${count(charges.backlog)}, ${span(charges.emptyInSeconds)} at ${count(charges.perSecond)}/s`,
    ],
    ["Units held", count(payments.holds)],
    [
      "Payments without an outcome",
      payments.unknown === 0 ? "none" : `${count(payments.unknown)}, oldest ${span(payments.oldestUnknownSeconds)}`,
      payments.unknown > 0 ? "warn" : "",
    ],
    [
      "Payments that no order goes by",
      payments.unmatched === 0
        ? "none"
        : `${count(payments.unmatched)}, oldest ${span(payments.oldestUnmatchedSeconds)}`,
      payments.unmatched > 0 ? "warn" : "",
    ],
    ["Refunds under way", count(payments.refundsOpen)],
    [
      "Requests",
      `${count(requests.perSecond)}/s, ${count(requests.waiting)} wait, ${count(requests.shed)} refused as too many`,
      "quiet",
    ],
    [
      `Provider${provider.kind === null ? "" : ` (${provider.kind})`}: errors in the last minute`,
      byName(provider.errors),
      Object.keys(provider.errors).length > 0 ? "warn" : "quiet",
    ],
    ["Provider's last error", error === null ? "none" : `${clockTime(error.atMs)}: ${error.text}`, "quiet"],
  ];
}

/** Shows a moment of the sale. */
export function showSale(sale) {
  showAlarms(sale.alarms);
  showFigures(figures(sale));
  showItems(sale.items);
  setText(byId("more-items"), sale.moreItems > 0 ? `${count(sale.moreItems)} more items are not shown.` : "");
  showLanes(sale.lanes);
  showMembers(sale.members);
  showStorage([
    ["Redis", storageText(sale.redis), sale.redis.state === "up" ? "good" : "bad"],
    ["Postgres", storageText(sale.postgres), sale.postgres.state === "up" ? "good" : "bad"],
    ["The shop's webhooks", shopText(sale.shop), sale.shop.failing > 0 ? "bad" : "quiet"],
  ]);
}
