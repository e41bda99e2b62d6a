// What the page says, as functions of what the shop has answered.

// What Stripe counts amounts in: https://docs.stripe.com/currencies#minor-units. Where people write
// no decimals, Stripe may count hundredths all the same, such as with isk, huf, twd and ugx.
const noDecimals = /^(bif|clp|djf|gnf|jpy|kmf|krw|mga|pyg|rwf|vnd|vuv|xaf|xof|xpf)$/i;
const threeDecimals = /^(bhd|jod|kwd|omr|tnd)$/i;

/** @param amount in the currency's minor unit, as Stripe counts it */
export function money(amount, currency) {
  const digits = noDecimals.test(currency) ? 0 : threeDecimals.test(currency) ? 3 : 2;
  const decimals = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(undefined, { style: "currency", currency, ...decimals }).format(amount / 10 ** digits);
}

/** Short enough to be read out: the end of an order's id is random in every kind of id. */
export function orderNumber(id) {
  const letters = id.replaceAll("-", "").slice(-8).toUpperCase();
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** A span of time as 9:41, or 1:09:41; never below zero. */
export function clock(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

export const time = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Whether an order is still to be decided or paid. */
export const isOpen = ({ status }) => status === "queued" || status === "reserved";

const reload = "The shop did not understand the page. Load it again.";
const notHere = "This shop does not do that.";

/** What is true, and what helps, where it is not known whether a request was carried out. */
const unknownOutcomes = {
  purchase: "Press again: it is the same purchase, and paid once.",
  card: "Press again: the order is paid once.",
  cancel: "The order may still stand. Press Cancel again.",
  reading: "Your orders are safe, and go on. We keep asking for them.",
};

const refusals = {
  foreign_page: notHere,
  forbidden: notHere,
  route_not_found: notHere,
  method_not_allowed: notHere,
  order_not_found: "The shop has no such order of yours. Ask the shop if you placed it.",
  item_not_found: "This item is not sold here any more.",
  out_of_stock: "Sold out. A unit may come back if somebody's payment fails.",
  sale_not_open: "The sale is not open yet.",
  sale_paused: "The sale is paused. Orders in line go on.",
  sale_ended: "The sale is over.",
  payment_in_progress: "A payment is under way. Wait for its outcome.",
  payment_not_expected: "No other card is needed for this order.",
  order_settled: "This order is settled already.",
  invalid_request: reload,
  precondition_failed: reload,
  payload_too_large: reload,
  unsupported_media_type: reload,
  headers_too_large: "Your browser sent too much. Delete this site's cookies and try again.",
  idempotency_key_reused: "This purchase was made before in another way. Look at your orders.",
};

/** Those after which a request may have been carried out all the same. */
const interruptions = {
  request_timeout: "That took too long.",
  // Counted for a whole address, which many may share.
  rate_limited: "Too many requests come from you or your network. Wait a moment.",
  busy: "Too many people are in line. Wait a moment.",
  unavailable: "The shop cannot be reached.",
  internal: "Something went wrong in the shop.",
};

/**
 * A refusal, or that no answer came.
 * @param shopName whom to sign in with, or to ask
 * @param action what was asked for: `purchase`, `card`, `cancel` or `reading`
 */
export function refusalSentence({ code, detail, status }, shopName, action = "purchase") {
  if (code === "unauthenticated") return `Sign in again at ${shopName}.`;
  if (code === "session_ended")
    return `Your session has ended. What you ordered goes on; ask ${shopName} what came of it.`;
  if (refusals[code]) return refusals[code];
  if (code && status < 500 && !interruptions[code]) return detail || "The shop refused that.";
  return `${interruptions[code] ?? "The shop does not answer."} ${unknownOutcomes[action]}`;
}

// https://docs.stripe.com/declines/codes. That a card was reported lost is for its bank to say.
const wrongNumber = "The card number is wrong.";
const wrongDate = "The expiry date is wrong.";
const wrongCode = "The security code is wrong.";
const overLimit = "The card is over its limit.";
const notNow = "Your bank could not process the payment just now.";
const grownOld = "The card details have grown old.";

const declines = {
  insufficient_funds: "The card does not have enough money.",
  expired_card: "The card has expired.",
  incorrect_cvc: wrongCode,
  invalid_cvc: wrongCode,
  incorrect_number: wrongNumber,
  invalid_number: wrongNumber,
  invalid_expiry_month: wrongDate,
  invalid_expiry_year: wrongDate,
  processing_error: notNow,
  try_again_later: notNow,
  currency_not_supported: "The card does not take this currency.",
  card_not_supported: "The card does not take this kind of purchase.",
  card_velocity_exceeded: overLimit,
  withdrawal_count_limit_exceeded: overLimit,
  authentication_required: "Your bank wanted to ask you, and could not.",
  payment_intent_authentication_failure: "Your bank did not get your confirmation.",
  stale_token: grownOld,
  resource_missing: grownOld,
};

/** Why a card was not charged. */
export function declineSentence(code) {
  return declines[code] ?? "Your bank refused this card.";
}

const rejections = {
  limit_exceeded: "You have as many as one shopper may buy",
  sale_not_open: "The sale was not open",
  item_not_found: "This item is not sold here any more",
};

const held = {
  pending: "Reserved for you, the payment is under way",
  requires_action: "Reserved for you, your bank asks you to confirm",
  processing: "Reserved for you, your bank is processing the payment",
  succeeded: "Reserved for you, the payment has come",
  declined: "Reserved for you, but not paid",
  unknown: "Reserved for you, we are asking whether the payment went through: you pay once at most",
};

/** Where an order stands, in a line. It changes when the order does, and not with the time. */
export function orderSentence(order) {
  return standing(order).replace(/\.?$/, ".");
}

function standing({ status, reason, payment, reservedAt, message, amount, currency, settledAt }) {
  switch (status) {
    case "queued":
      return message;
    case "reserved":
      return held[payment.status] ?? held.pending;
    case "confirmed":
      return "It is yours";
    case "refunded":
      return `Refunded: ${money(amount, currency)}, ${time(settledAt)}`;
    case "out_of_stock":
      return "Sold out before your turn, nothing was charged";
    case "rejected":
      return `${rejections[reason] ?? "Refused"}, nothing was charged`;
    case "lost":
      return message;
    default:
      return cancelledSentence(reason, payment, reservedAt);
  }
}

function cancelledSentence(reason, payment, reservedAt) {
  if (payment.status === "refunded") return "Cancelled: the payment came too late and was refunded";
  if (reason === "payment_failed") return `Not paid: ${declineSentence(payment.declineCode)} Nothing was charged`;
  if (reason === "by_shopper") return "Cancelled by you, nothing was charged";
  if (reason === "hold_expired" && reservedAt === null) return "Lost in line, nothing was charged: please buy again";
  return reason === "hold_expired" ? "Not paid in time, nothing was charged" : "Cancelled, nothing was charged";
}

/**
 * What there is to do or to wait for, which does change with the time.
 * @param nowMs of the shop's clock @param seenAtMs when the order was answered
 */
export function orderDetail(order, nowMs, seenAtMs = nowMs) {
  const { status, payment, position, estimatedSeconds, holdExpiresAt } = order;
  const left = estimatedSeconds == null ? null : Math.max(1, estimatedSeconds - Math.floor((nowMs - seenAtMs) / 1_000));
  const about = left === null ? "" : `about ${left < 90 ? `${left} s` : `${Math.round(left / 60)} min`}`;
  if (status === "queued") return position === null ? about : [`Place ${position}`, about].filter(Boolean).join(", ");
  if (status !== "reserved") return "";
  const within = holdExpiresAt === null ? "" : ` within ${clock(Date.parse(holdExpiresAt) - nowMs)}`;
  if (payment.status === "declined") return `${declineSentence(payment.declineCode)} Pay with another card${within}`;
  if (payment.status === "requires_action") return `Confirm${within}`;
  return payment.status === "pending" ? about : "";
}

/** What stands on a receipt. */
export function receiptLine({ id, quantity, amount, currency, settledAt, placedAt }, name) {
  return `Receipt: ${quantity} × ${name}, ${money(amount, currency)}, paid ${time(settledAt ?? placedAt)}, order ${orderNumber(id)}`;
}

const closed = { out_of_stock: "Out of stock", paused: "Paused", ended: "Sale is over" };

/** What a button to buy says, and whether it can be pressed. */
export function buyLabel({ status, opensAt }, nowMs, { buying, unanswered }) {
  if (buying) return { text: "Buying …", ready: false };
  if (unanswered) return { text: "Check my purchase", ready: true };
  if (status === "available") return { text: "Buy", ready: true };
  if (status === "scheduled") return { text: openingText(opensAt, nowMs), ready: false };
  return { text: closed[status] ?? "Not on sale", ready: false };
}

/**
 * Why an item is not bought on the terms its button had; null where it is.
 * @param now as it is on sale
 */
export function offerChange({ name, price, currency }, now) {
  if (now?.status !== "available") return `${name}: ${closed[now?.status] ?? "Not on sale"}. Nothing was bought.`;
  if (now.price === price && now.currency === currency) return null;
  return `${name} costs ${money(now.price, now.currency)} now. Nothing was bought. Press Buy to pay that.`;
}

function openingText(opensAt, nowMs) {
  const leftMs = opensAt === null ? Number.NaN : Date.parse(opensAt) - nowMs;
  if (!(leftMs > 0)) return "Opening …";
  return leftMs < 24 * 3_600_000 ? `Opens in ${clock(leftMs)}` : `Opens ${time(opensAt)}`;
}

export const unreachable = "The shop does not answer. Trying again …";
export const outage = "We lost the connection; your order is safe, we keep asking.";
export const forgetful =
  "This browser keeps nothing for this page. Note the number of what you order, and do not load the page again: it could not show your order.";
