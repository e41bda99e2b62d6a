/**
 * What nobody thought of: other types, the far ends of each, and what parsers, databases and
 * servers have tripped over.
 */

const words = (text: string) => text.trim().split(/\s+/);

export const oddFields: readonly unknown[] = [
  ...words(
    "0 2 now pm_ %00 __proto__ constructor {{7*7}} ../../etc/passwd pm_é 2026-02-30T00:00:00Z 2026-01-01T23:59:60Z",
  ),
  ...words("0000-01-01T00:00:00Z 9999-12-31T23:59:59+14:00 +275760-09-13T00:00:00Z"),
  "",
  " ",
  "\u0000",
  "\ud800",
  "\u202e",
  "\ufeff",
  "pm_\n",
  "'; drop table orders; --",
  -1,
  0,
  1.5,
  1e-7,
  1e21,
  2 ** 31,
  2 ** 53,
  -(2 ** 53),
  Number.MAX_VALUE,
  null,
  true,
  false,
  [],
  {},
  [[]],
  [1],
  [null],
  { a: 1 },
  { $gt: "" },
  { toString: 1 },
  `pm_${"a".repeat(251)}`,
  "x".repeat(5_000),
];

// Without CONNECT, which asks for a tunnel and not for anything here: Node closes such a
// connection.
export const oddMethods = words(
  "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE QUERY PROPFIND LOCK PURGE SEARCH M-SEARCH MKCOL",
);

export const oddTypes: readonly (string | null)[] = [
  ...words("text/plain application/x-www-form-urlencoded application/xml APPLICATION/JSON application/problem+json"),
  ...words("application/json;charset=utf-16 application/json,text/plain */* / json ; application/json/x"),
  "application/json; charset=utf-8",
  'application/json; charset="',
  "multipart/form-data; boundary=x",
  "",
  null,
];

export const oddHeaders: readonly Readonly<Record<string, string>>[] = [
  { expect: "100-continue" },
  { expect: "a miracle" },
  { accept: "text/html" },
  { accept: "image/png;q=0" },
  { "x-forwarded-for": "127.0.0.1, ::1, unknown" },
  { forwarded: "for=_x;by=y" },
  { host: "elsewhere.example" },
  { host: "" },
  { host: "[::1" },
  { origin: "null" },
  { "content-encoding": "gzip" },
  { range: "bytes=0-0" },
  { upgrade: "websocket", connection: "upgrade" },
  { "if-none-match": "*" },
  { "x-http-method-override": "DELETE" },
  { "accept-version": "9.9.9" },
  { "accept-version": "x" },
  { cookie: "a=b; c" },
  { te: "trailers" },
  { "x-request-id": "x".repeat(2_000) },
  { prefer: "respond-async, wait=" },
  { "if-modified-since": "yesterday" },
];

export const oddHeaderTexts = ["", " ", "é", "x".repeat(256), "x".repeat(4_000)];

export const oddSegments: readonly string[] = [
  ...words("%00 % %zz %c3%28 %ed%a0%80 .. %2e%2e ..%2f..%2fetc%2fpasswd a%2Fb ~ * :id {id} __proto__ constructor null"),
  ...words("undefined 0 -1 ' %27%20or%201=1 a;b=c 00000000-0000-0000-0000-000000000000"),
  "x".repeat(64),
  "x".repeat(65),
  "x".repeat(2_000),
  "%41".repeat(500),
];

export const oddQueries = [...words("? a a=1&a=2 a[]=1 a[b][c]=1 __proto__[x]=1 % %00=%ff &&&"), "x".repeat(3_000)];

export const oddEnds = words("/ // /. /.. %2f ;a=1 #x .json %20 /x");

export const oddBodies: readonly string[] = [
  ...words(
    `null {} [] 0 "" { {"a":1}} {'a':1} {"a":1e400} {"a":01} NaN {"__proto__":{"x":1}} {"quantity":1,"quantity":2}`,
  ),
  "",
  " ",
  '{"a":"\u0001"}',
  '{"constructor":{"prototype":{"x":1}}}',
  "\ufeff{}",
  " ".repeat(17_000),
  "[".repeat(5_000),
  `${"[".repeat(5_000)}${"]".repeat(5_000)}`,
  `{"a":"${"x".repeat(20_000)}"}`,
];
