import { readFile } from "node:fs/promises";
import { isFinal, legalTransitions, orderStatuses, paymentStatuses } from "@holdfast/shared/order.ts";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const text = await readFile(new URL("ARCHITECTURE.md", root), "utf8");
const [orders = "", payments = ""] = [...text.matchAll(/```mermaid\nstateDiagram-v2\n(.*?)```/gs)].map(
  ([, body]) => body,
);
const arrows = (diagram: string) =>
  [...diagram.matchAll(/^ {2}(\S+) --> ([^\s:]+)/gm)].map(([, from, to]) => [from, to] as const);

test("the drawn states of an order are those of order.ts, with every transition and no other", () => {
  const drawn = arrows(orders).map(([from, to]) => `${from} ${to}`);
  const legal = Object.entries(legalTransitions).flatMap(([from, all]) => all.map((to) => `${from} ${to}`));
  const ends = orderStatuses.filter(isFinal).map((status) => `${status} [*]`);
  const begins = ["[*] queued"];
  // A paid order can still be refunded.
  const final = ends.filter((end) => end !== "confirmed [*]");
  expect(drawn.toSorted()).toEqual([...legal, ...final, ...begins].sort());
});

test("the drawn states of a payment are those of order.ts", () => {
  const drawn = new Set(arrows(payments).flat());
  expect(drawn).toEqual(new Set([...paymentStatuses, "[*]", "none"]));
});

test("every function that the way of a purchase names is exported by the file it links to", async () => {
  const links = [...text.matchAll(/\[`(\w+)`\]\((\S+?\.ts)\)/g)];
  expect(links.length).toBeGreaterThan(15);
  for (const [, name, file] of links) {
    const source = await readFile(new URL(file ?? "", root), "utf8");
    expect(source, `${file} exports ${name}`).toMatch(new RegExp(`export (async )?function ${name}\\b`));
  }
});
