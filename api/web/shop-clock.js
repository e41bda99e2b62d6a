// The time by the shop's clock, which holds end by and sales open by: a device's may be hours off.

const toleranceMs = 2_000; // an answer's Date has whole seconds, and the answer was on its way
let aheadMs = 0; // how far the shop's clock is ahead of the device's

export const shopNow = () => Date.now() + aheadMs;

/** Takes the time from an answer's Date. It is never ahead: the latest is nearest to the truth. */
export function readDate(date) {
  const measuredMs = Date.parse(date) - Date.now();
  if (measuredMs > aheadMs || aheadMs - measuredMs > toleranceMs) aheadMs = measuredMs;
}

/** fetch, for the client: every answer says what time it is. */
export async function fetchWithDate(url, request) {
  const response = await fetch(url, request);
  readDate(response.headers.get("date"));
  return response;
}
