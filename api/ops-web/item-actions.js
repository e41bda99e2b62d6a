// What operators do to items, lanes and dead jobs. Each asks first, naming the consequence.

import { ask } from "./ask.js";
import { confirmAction, tellRefusal } from "./dialog.js";
import { count, money } from "./say.js";

const path = (id) => `/items/${encodeURIComponent(id)}`;

export function restock(item) {
  confirmAction({
    title: `Add units: ${item.name}`,
    button: "Add units",
    fields: [{ label: "Units", name: "units", type: "number", min: 1, max: 10_000_000, required: true, value: "10" }],
    text: ({ units }) =>
      `Adds ${count(Number(units))} to ${count(item.stocked)} stocked units. They are on sale at once${item.status === "paused" ? ", when the sale goes on" : ""}.`,
    act: ({ units }) => ask("POST", `${path(item.id)}/restock`, { body: { units: Number(units) } }),
  });
}

export function withdraw(item) {
  confirmAction({
    title: `Withdraw units: ${item.name}`,
    button: "Withdraw units",
    fields: [
      { label: "Units", name: "units", type: "number", min: 1, max: item.inventory, required: true, value: "1" },
    ],
    text: ({ units }) =>
      `Takes ${count(Number(units))} of ${count(item.inventory)} unsold units off the sale. Units that are held or sold stay with their orders.`,
    act: ({ units }) => ask("POST", `${path(item.id)}/restock`, { body: { units: -Number(units) } }),
  });
}

export function pause(item) {
  confirmAction({
    title: `Pause the sale: ${item.name}`,
    button: "Pause",
    text: `Nobody can buy it until you resume. ${count(item.waiting)} orders in line are still decided, ${count(item.reserved)} held units are still paid for.`,
    act: () => ask("POST", `${path(item.id)}/pause`),
  });
}

export function resume(item) {
  confirmAction({
    title: `Resume the sale: ${item.name}`,
    button: "Resume",
    text: `${count(item.inventory)} units are on sale again at once.`,
    act: () => ask("POST", `${path(item.id)}/resume`),
  });
}

export function openNow(item) {
  confirmAction({
    title: `Open now: ${item.name}`,
    button: "Open now",
    text: item.paused
      ? "It has no opening time any more, and is paused: nobody can buy it until you resume."
      : `The sale opens at once, with ${count(item.inventory)} units, and has no opening time any more.`,
    act: () => ask("PATCH", path(item.id), { body: { opensAt: null } }),
  });
}

export function closeNow(item) {
  confirmAction({
    title: `Close now: ${item.name}`,
    button: "Close now",
    text: `The sale is over at once: ${count(item.inventory)} units stay unsold. ${count(item.waiting)} orders in line and ${count(item.reserved)} held units go on.`,
    act: async () => {
      // By the server's clock, which the sale goes by; this machine's may be a minute off.
      const { serverTime } = await ask("GET", path(item.id));
      await ask("PATCH", path(item.id), { body: { closesAt: serverTime.toISOString() } });
    },
  });
}

// Times are typed and shown in the operator's own time.
const localTime = (iso) => {
  if (iso === null) return "";
  const at = new Date(iso);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
};
const isoTime = (text) => (text === "" ? null : new Date(text).toISOString());

const termFields = (item) => [
  { label: "Name", name: "name", required: true, maxlength: 200, value: item?.name ?? "" },
  {
    label: "Price of a unit, in the currency's smallest unit (1999 is 19.99)",
    name: "price",
    type: "number",
    min: 1,
    required: true,
    value: item?.price ?? "",
  },
  {
    label: "Currency, three letters",
    name: "currency",
    pattern: "[a-z]{3}",
    required: true,
    value: item?.currency ?? "eur",
  },
  {
    label: "Opens (empty: at once)",
    name: "opensAt",
    type: "datetime-local",
    step: 1,
    value: localTime(item?.opensAt ?? null),
  },
  {
    label: "Closes (empty: never)",
    name: "closesAt",
    type: "datetime-local",
    step: 1,
    value: localTime(item?.closesAt ?? null),
  },
  {
    label: "Seconds that units are held for a payment",
    name: "holdSeconds",
    type: "number",
    min: 1,
    max: 604_800,
    required: true,
    value: item?.holdSeconds ?? 600,
  },
  {
    label: "Further cards after a decline",
    name: "paymentRetries",
    type: "number",
    min: 0,
    max: 20,
    required: true,
    value: item?.paymentRetries ?? 0,
  },
  {
    label: "Most units of one shopper (empty: no limit)",
    name: "maxPerShopper",
    type: "number",
    min: 1,
    value: item?.maxPerShopper ?? "",
  },
];

const termsIn = (typed) => ({
  name: typed.name,
  price: Number(typed.price),
  currency: typed.currency,
  opensAt: isoTime(typed.opensAt),
  closesAt: isoTime(typed.closesAt),
  holdSeconds: Number(typed.holdSeconds),
  paymentRetries: Number(typed.paymentRetries),
  maxPerShopper: typed.maxPerShopper === "" ? null : Number(typed.maxPerShopper),
});

export function createItem() {
  confirmAction({
    title: "Put an item on sale",
    button: "Put it on sale",
    fields: [
      {
        label: "Id, for its address",
        name: "id",
        required: true,
        maxlength: 64,
        pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*",
      },
      { label: "Units", name: "units", type: "number", min: 0, max: 10_000_000, required: true, value: "100" },
      ...termFields(null),
    ],
    text: ({ units, opensAt, price, currency }) =>
      `${count(Number(units))} units ${price === "" ? "" : `at ${priceText(price, currency)} `}are on sale ${opensAt === "" ? "at once" : "when it opens"}.`,
    act: (typed) => ask("PUT", path(typed.id), { body: { ...termsIn(typed), units: Number(typed.units) } }),
  });
}

const priceText = (price, currency) => (/^[a-z]{3}$/.test(currency) ? money(Number(price), currency) : price);

/** As it is now, and only if nobody changes it meanwhile. */
export async function changeItem({ id, name }) {
  try {
    askForChange(await ask("GET", path(id)));
  } catch (refusal) {
    tellRefusal(`Change: ${name}`, refusal.message);
  }
}

function askForChange({ body: item, etag }) {
  const before = termsIn({
    ...item,
    opensAt: item.opensAt ?? "",
    closesAt: item.closesAt ?? "",
    maxPerShopper: item.maxPerShopper ?? "",
  });
  confirmAction({
    title: `Change: ${item.name}`,
    button: "Change it",
    fields: termFields(item),
    text: (typed) => {
      const named = Object.keys(changesIn(before, termsIn(typed)));
      return named.length === 0
        ? "Nothing is changed yet. Orders that are placed keep the terms they were placed under."
        : `Changes ${named.join(", ")}, for purchases from now on; orders that are placed keep their terms.`;
    },
    act: async (typed) => {
      const body = changesIn(before, termsIn(typed));
      if (Object.keys(body).length === 0) return;
      await ask("PATCH", path(item.id), { body, headers: { "if-match": etag } }).catch((refusal) => {
        if (refusal.status !== 412) throw refusal;
        throw new Error("Somebody else has changed it since you opened this. Leave it, look, and change it again.");
      });
    },
  });
}

function changesIn(before, after) {
  return Object.fromEntries(Object.entries(after).filter(([name, value]) => !sameTerm(before[name], value)));
}

// What is typed has no milliseconds.
function sameTerm(before, after) {
  const seconds = (value) =>
    typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) ? value.slice(0, 19) : value;
  return seconds(before) === seconds(after);
}

export function pauseLane({ number, waiting }) {
  confirmAction({
    title: `Pause lane ${number}`,
    button: "Pause the lane",
    text: `None of its items' orders is decided until you resume: ${count(waiting)} wait now, and keep their places. Shoppers read "Waiting in line".`,
    act: () => ask("POST", `/lanes/${number}/pause`),
  });
}

export function resumeLane({ number, waiting }) {
  confirmAction({
    title: `Resume lane ${number}`,
    button: "Resume the lane",
    text: `${count(waiting)} orders that wait are decided, in their order.`,
    act: () => ask("POST", `/lanes/${number}/resume`),
  });
}

export function replayJob(job, done) {
  confirmAction({
    title: `Replay ${job.id}`,
    button: "Put it in line again",
    text: `It failed: ${job.reason}. It is tried again, behind what waits in its queue; what was done of it before is not done twice.`,
    act: async () => {
      await ask("POST", `/jobs/${encodeURIComponent(job.id)}/replay`);
      done();
    },
  });
}

export function recheckAll() {
  confirmAction({
    title: "Ask about all held-up payments",
    button: "Ask now",
    text: "The payment provider is asked now about every payment and refund whose outcome is open, at the usual rate. Nobody is charged by it.",
    act: () => ask("POST", "/payments/recheck"),
  });
}
