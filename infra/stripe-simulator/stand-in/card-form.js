// The card form, in a frame of the simulator's own: what is typed here never reaches the shop's
// page, which gets a token for it. It talks with stripe.js over the port that it is given first.

const requestTimeoutMs = 10_000;
const fields = ["number", "expiry", "cvc"].map((name) => ({
  name,
  input: document.getElementById(name),
  error: document.getElementById(`${name}-error`),
}));
const typedIn = (name) => document.getElementById(name).value.trim();

addEventListener("message", function begin({ source, data, ports: [port] }) {
  if (source !== parent || data?.type !== "begin" || !port) return;
  removeEventListener("message", begin);
  serve(port, data);
});

function serve(port, { publishableKey, theme }) {
  setTheme(theme);
  const report = () => port.postMessage({ type: "change", empty: isEmpty(), complete: firstFault() === null });
  for (const { name, input } of fields) {
    input.addEventListener("input", () => {
      group(input);
      report();
    });
    input.addEventListener("blur", () => input.value !== "" && showFault(name));
  }
  document.querySelector("form").addEventListener("submit", (event) => event.preventDefault()); // by the Enter key
  port.onmessage = async ({ data: { id, type, params } }) => {
    if (type === "theme") return setTheme(params);
    const answer = type === "submit" ? submit() : await createToken(publishableKey, params);
    port.postMessage({ id, answer });
  };
  const sizes = new ResizeObserver(() => port.postMessage({ type: "height", height: document.body.offsetHeight }));
  sizes.observe(document.body);
  port.postMessage({ type: "ready" });
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme ?? "stripe";
}

const isEmpty = () => fields.every(({ input }) => input.value === "");

/** A card's number in groups, a date with its slash, as long as one types at the end. */
function group(input) {
  if (input.selectionStart !== input.value.length) return;
  const digits = input.value.replace(/\D/g, "");
  if (input.id === "number") input.value = digits.replace(/(\d{4})(?=\d)/g, "$1 ");
  if (input.id === "expiry" && /^\d{3}/.test(input.value)) input.value = `${digits.slice(0, 2)} / ${digits.slice(2)}`;
}

/** @returns the first thing wrong with a field, as Stripe.js names it; null where nothing is */
function faultOf(name) {
  const value = typedIn(name);
  if (name === "number") return faultOfNumber(value.replaceAll(" ", ""));
  if (name === "expiry") return faultOfExpiry(value);
  if (/^\d{3,4}$/.test(value)) return null;
  return { code: "incomplete_cvc", message: "Your card's security code is incomplete." };
}

function faultOfNumber(digits) {
  if (!/^\d{14,19}$/.test(digits)) return { code: "incomplete_number", message: "Your card number is incomplete." };
  // https://en.wikipedia.org/wiki/Luhn_algorithm
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const doubled = Number(digit) * (index % 2 === 1 ? 2 : 1);
    return total + (doubled > 9 ? doubled - 9 : doubled);
  }, 0);
  return sum % 10 === 0 ? null : { code: "invalid_number", message: "Your card number is invalid." };
}

function faultOfExpiry(value) {
  const date = expiryOf(value);
  if (!date) return { code: "incomplete_expiry", message: "Your card's expiration date is incomplete." };
  if (new Date(date.year, date.month) > new Date()) return null;
  return { code: "invalid_expiry_year_past", message: "Your card's expiration date is in the past." };
}

function expiryOf(value) {
  const [, month, year] = /^(0?[1-9]|1[0-2])\s*\/?\s*((?:20)?\d\d)$/.exec(value) ?? [];
  return month ? { month: Number(month), year: 2000 + (Number(year) % 100) } : null;
}

function firstFault() {
  return fields.map(({ name }) => faultOf(name)).find((fault) => fault !== null) ?? null;
}

function showFault(name) {
  const { input, error } = fields.find((field) => field.name === name);
  const fault = faultOf(name);
  input.setAttribute("aria-invalid", String(fault !== null));
  if (error.textContent !== (fault?.message ?? "")) error.textContent = fault?.message ?? "";
  return fault;
}

/** Shows what is wrong, and puts the shopper on the first of it. */
function submit() {
  const faulty = fields.filter(({ name }) => showFault(name) !== null);
  if (faulty.length === 0) return { selectedPaymentMethod: "card" };
  faulty[0].input.focus();
  return { error: { type: "validation_error", ...faultOf(faulty[0].name) } };
}

async function createToken(publishableKey, { return_url }) {
  const { month, year } = expiryOf(typedIn("expiry")) ?? {};
  const body = new URLSearchParams({
    "payment_method_data[type]": "card",
    "payment_method_data[card][number]": typedIn("number").replaceAll(" ", ""),
    "payment_method_data[card][exp_month]": month ?? "",
    "payment_method_data[card][exp_year]": year ?? "",
    "payment_method_data[card][cvc]": typedIn("cvc"),
    ...(return_url && { return_url }),
  });
  try {
    const response = await fetch("/v1/confirmation_tokens", {
      method: "POST",
      headers: { authorization: `Bearer ${publishableKey}` },
      body,
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const answer = await response.json();
    return response.ok ? { confirmationToken: answer } : { error: answer.error };
  } catch {
    return { error: { type: "api_connection_error", message: "We are having trouble connecting. Please try again." } };
  }
}
