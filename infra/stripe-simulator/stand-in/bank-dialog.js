/**
 * Plays the shopper's bank, in a modal dialog: the browser keeps the focus in it, and returns it
 * at its end. Escape refuses.
 * @param payment its amount in the currency's minor unit
 * @param answer carries the shopper's word out; what it comes to is what the dialog comes to
 */
export async function askBank({ amount, currency }, answer) {
  const question = `Do you confirm the payment of ${money(amount, currency)}? (A simulated bank: no money moves.)`;
  const yes = make("button", { type: "button", textContent: "Yes, confirm the payment" }, buttonStyle);
  const no = make("button", { type: "button", textContent: "No, refuse the payment" }, buttonStyle);
  const dialog = make("dialog", { role: "dialog" }, dialogStyle);
  dialog.setAttribute("aria-labelledby", titleId);
  dialog.append(
    make("h2", { id: titleId, textContent: "Your bank asks" }),
    make("p", { textContent: question }),
    yes,
    no,
  );
  document.body.append(dialog);
  dialog.showModal();
  yes.focus();
  const succeed = await choice(dialog, yes, no);
  yes.disabled = no.disabled = true;
  const result = await answer(succeed);
  dialog.close();
  dialog.remove();
  return result;
}

function choice(dialog, yes, no) {
  return new Promise((resolve) => {
    yes.addEventListener("click", () => resolve(true));
    no.addEventListener("click", () => resolve(false));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault(); // it stays until the answer has arrived
      resolve(false);
    });
  });
}

const titleId = "simulated-bank-title";
const colours = { color: "#1c1e26", border: "1px solid #6d7180" };
const dialogStyle = { ...colours, maxWidth: "24rem", padding: "1.5rem", background: "#fff", borderRadius: "8px" };
const buttonStyle = {
  ...colours,
  margin: "0.25rem 0.5rem 0.25rem 0",
  padding: "0.6rem 1rem",
  background: "#e8e9ee",
  borderRadius: "6px",
  font: "inherit",
};

/** Styled property by property: a policy without 'unsafe-inline' forbids a style attribute. */
function make(tag, properties, style = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.style, style);
  return element;
}

// https://docs.stripe.com/currencies#minor-units; all others are counted in hundredths.
const noDecimals = /^(bif|clp|djf|gnf|jpy|kmf|krw|mga|pyg|rwf|vnd|vuv|xaf|xof|xpf)$/;
const threeDecimals = /^(bhd|jod|kwd|omr|tnd)$/;

/** An amount in the currency's minor unit, as a shopper reads it. */
export function money(amountMinor, currency) {
  const digits = noDecimals.test(currency) ? 0 : threeDecimals.test(currency) ? 3 : 2;
  const decimals = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(undefined, { style: "currency", currency, ...decimals }).format(
    amountMinor / 10 ** digits,
  );
}
