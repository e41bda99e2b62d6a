import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";

/** Written by the browser itself for an answer of 400 and above, or none. */
const failedRequest = /^Failed to load resource/;

/**
 * Collects what nobody should find on a page: errors on the console, exceptions, violations of the
 * content security policy. And what the page sends to buy, and says in its live regions.
 * @param requestsFail whether the test makes requests fail
 */
export async function watchPage(page: Page, requestsFail: boolean) {
  const complaints: string[] = [];
  const purchaseKeys = new Set<string>();
  page.on("request", (request) => {
    const key = request.url().includes("/purchase/") && request.headers()["idempotency-key"];
    if (key) purchaseKeys.add(key);
  });
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !(requestsFail && failedRequest.test(text))) complaints.push(text);
  });
  page.on("pageerror", (error) => void complaints.push(error.message));
  await page.addInitScript({ path: fileURLToPath(new URL("record-speech.js", import.meta.url)) });
  return { complaints, purchaseKeys };
}
