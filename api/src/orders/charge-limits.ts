/**
 * What the payment provider charges at all: https://docs.stripe.com/currencies (read in November
 * 2026). An item that no payment could ever be made for is refused when it is put on sale, and not
 * when its first shopper pays.
 */

const presentmentCurrencies = new Set(
  (
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf " +
    "dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jpy kes kgs khr kmf krw kyd kzt " +
    "lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln pyg qar " +
    "ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd " +
    "xof xpf yer zar zmw"
  ).split(" "),
);

/**
 * In minor units. For a currency that is not named the minimum depends on the account; the provider
 * says so when it charges.
 */
const minimumAmounts: Readonly<Record<string, number>> = {
  aed: 200,
  aud: 50,
  bgn: 100,
  brl: 50,
  cad: 50,
  chf: 50,
  czk: 1_500,
  dkk: 250,
  eur: 50,
  gbp: 30,
  hkd: 400,
  huf: 17_500,
  inr: 50,
  jpy: 50,
  mxn: 1_000,
  myr: 200,
  nok: 300,
  nzd: 50,
  pln: 200,
  ron: 200,
  sek: 300,
  sgd: 50,
  thb: 1_000,
  usd: 50,
};

/**
 * Given with two decimals, and charged without: https://docs.stripe.com/currencies#special-cases
 */
const wholeUnitsOnly = new Set(["isk", "ugx"]);

/** Why no payment could ever be made for a unit at this price; null where one can. */
export function unpayable(
  priceMinor: number,
  currency: string,
): { readonly field: "price" | "currency"; readonly message: string } | null {
  if (!presentmentCurrencies.has(currency)) {
    return {
      field: "currency",
      message: `must be a currency that the payment provider charges, and ${currency} is none`,
    };
  }
  const minimum = minimumAmounts[currency] ?? 1;
  if (priceMinor < minimum) {
    return {
      field: "price",
      message: `must be at least ${minimum}, the least that the payment provider charges in ${currency}`,
    };
  }
  if (wholeUnitsOnly.has(currency) && priceMinor % 100 !== 0) {
    return { field: "price", message: `must be a multiple of 100 in ${currency}` };
  }
  return null;
}

const freshMinutes = 15; // a payment token of the provider may be stale after that

/**
 * What whoever puts an item on sale should know of how long it takes to charge all of its units.
 */
export function chargingWarnings(
  units: number,
  chargesPerSecond: number,
): { readonly code: "slow_charging"; readonly detail: string }[] {
  const minutes = units / chargesPerSecond / 60;
  if (minutes <= freshMinutes) return [];
  const detail =
    `At ${chargesPerSecond} charges a second (CHARGE_RATE_PER_SECOND) the last of ${units} units is charged after ` +
    `${Math.ceil(minutes)} minutes. Payment tokens grow stale after ${freshMinutes}; raise the rate, with the provider's consent.`;
  return [{ code: "slow_charging", detail }];
}
