import { readdir, readFile } from "node:fs/promises";
import { ourVariables } from "@holdfast/shared/unknown-variables.ts";
import { exportedMetrics } from "@holdfast/testing/exported-metrics.ts";
import { expect, test } from "vitest";

// What no schema knows: kubernetes.scale.test.ts holds the rendered manifests against those.
const base = new URL("../kubernetes/base/", import.meta.url);
const overlays = new URL("../kubernetes/overlays/", import.meta.url);
const names = await readdir(base);
const texts = await Promise.all(names.map((name) => readFile(new URL(name, base), "utf8")));
const text = texts.join("\n---\n");
const ofOverlay = (name: string) => readFile(new URL(`${name}/kustomization.yaml`, overlays), "utf8");

test("every variable that is set is one that the processes read", async () => {
  const all = [text, await ofOverlay("production"), await ofOverlay("trial")].join("\n");
  const set = [...all.matchAll(/^ +- (?:name: )?([A-Z][A-Z_]+)(?:=|$)/gm)].map(([, name = ""]) => name);
  expect(set.length).toBeGreaterThan(15);
  expect(set.filter((name) => !(ourVariables as readonly string[]).includes(name))).toEqual([]);
});

test("workers scale by figures that are exported, and stay as they are where those are not there", async () => {
  const exported = await exportedMetrics();
  const queries = [...text.matchAll(/query: sum\((\w+)\)/g)].map(([, name = ""]) => name);
  expect(queries).toHaveLength(2);
  expect(queries.filter((name) => !exported.has(name))).toEqual([]);
  expect(text.match(/ignoreNullValues: "false"/g)).toHaveLength(queries.length);
});

test("no policy selects pods that are not ours, and each component that is selected is there", () => {
  expect(text).not.toContain("podSelector: {}");
  const labelled = new Set(
    [...text.matchAll(/^ {2} {2}app\.kubernetes\.io\/component: (\S+)/gm)].map(([, component]) => component),
  );
  const selected = [
    ...text.matchAll(/values: \[(.+)\]|matchLabels:\n +app\.kubernetes\.io\/component: (\S+)/g),
  ].flatMap(([, list, one]) => one ?? list?.split(", ") ?? []);
  expect(selected.length).toBeGreaterThan(8);
  expect(selected.filter((component) => !labelled.has(component))).toEqual([]);
});

test.each(["production", "trial"])("the API servers of %s know whose word about an address counts", async (name) => {
  expect(await ofOverlay(name)).toMatch(/- TRUST_PROXY=\S+/);
});
