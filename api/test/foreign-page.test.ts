import { expect, test } from "vitest";
import { isFromForeignPage } from "../src/http/foreign-page.ts";

const host = "shop.example:8443";

test.each<[string, Record<string, string>]>([
  ["the browser says cross-site", { "sec-fetch-site": "cross-site" }],
  ["a sister domain, which may be anyone's", { "sec-fetch-site": "same-site" }],
  ["the browser says none, which no script of ours does", { "sec-fetch-site": "none" }],
  ["cross-site, whatever Origin says", { "sec-fetch-site": "cross-site", origin: "https://shop.example:8443" }],
  ["an older browser: another host", { origin: "https://evil.example" }],
  ["another port", { origin: "https://shop.example" }],
  ["a host that only begins like ours", { origin: "https://shop.example:8443.evil.example" }],
  ["ours as the user of another", { origin: "https://shop.example:8443@evil.example" }],
  ["a page without an origin", { origin: "null" }],
  ["no URL at all", { origin: "" }],
])("foreign: %s", (_name, headers) => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) expect(isFromForeignPage(method, headers, host)).toBe(true);
});

test.each<[string, Record<string, string>]>([
  ["our own page", { "sec-fetch-site": "same-origin", origin: "https://shop.example:8443" }],
  [
    "our own page behind a proxy that changes Host",
    { "sec-fetch-site": "same-origin", origin: "https://other.example" },
  ],
  ["our own page in an older browser", { origin: "https://shop.example:8443" }],
  ["our own page before TLS is ended", { origin: "http://shop.example:8443" }],
  ["a program", {}],
])("not foreign: %s", (_name, headers) => {
  expect(isFromForeignPage("POST", headers, host)).toBe(false);
});

test("what changes nothing may be asked from anywhere", () => {
  for (const method of ["GET", "HEAD", "OPTIONS"])
    expect(isFromForeignPage(method, { "sec-fetch-site": "cross-site", origin: "https://evil.example" }, host)).toBe(
      false,
    );
});
