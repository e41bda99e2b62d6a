/** What Stripe counts amounts in: https://docs.stripe.com/currencies#minor-units */
const noDecimals = /^(bif|clp|djf|gnf|jpy|kmf|krw|mga|pyg|rwf|vnd|vuv|xaf|xof|xpf)$/;
const threeDecimals = /^(bhd|jod|kwd|omr|tnd)$/;

/** An amount in the currency's minor unit, as text in English: €19.99. */
export function moneyText(amountMinor: number, currency: string): string {
  const digits = noDecimals.test(currency) ? 0 : threeDecimals.test(currency) ? 3 : 2;
  const decimals = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const format = new Intl.NumberFormat("en", { style: "currency", currency, ...decimals });
  return format.format(amountMinor / 10 ** digits);
}
