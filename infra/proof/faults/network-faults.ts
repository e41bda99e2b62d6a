import { setTimeout as sleep } from "node:timers/promises";
import type { Scenario } from "./scenario.ts";
import { linkNames } from "./stage.ts";

/** Connections that break, crawl or fall silent, between each pair of parts. */

export const linksCut: Scenario = {
  name: "links-cut",
  title: "every connection between two parts broken and refused for a while, one pair after the other",
  async strike({ stage, chance, lasting }) {
    const struckAtMs = Date.now();
    for (const name of chance.shuffled(linkNames)) {
      await stage.links[name].cut();
      await sleep(chance.between(lasting(400, 500), lasting(1_000, 4_000)));
      await stage.links[name].mend();
    }
    return { struckAtMs, backAtMs: Date.now() };
  },
};

export const linksFlapping: Scenario = {
  name: "links-flapping",
  title: "all connections broken at once, again and again",
  async strike({ stage, chance, lasting }) {
    const struckAtMs = Date.now();
    for (let i = 0; i < lasting(3, 8); i++) {
      await Promise.all(linkNames.map((name) => stage.links[name].cut()));
      await sleep(chance.between(50, 500));
      await Promise.all(linkNames.map((name) => stage.links[name].mend()));
      await sleep(chance.between(50, 500));
    }
    return { struckAtMs, backAtMs: Date.now() };
  },
};

export const linksSlow: Scenario = {
  name: "links-slow",
  title: "every connection slowed down, each by another delay",
  async strike({ stage, chance, lasting }) {
    const struckAtMs = Date.now();
    for (const name of linkNames) stage.links[name].delay(chance.between(10, 150));
    await sleep(chance.between(lasting(2_000, 3_000), lasting(4_000, 10_000)));
    await Promise.all(linkNames.map((name) => stage.links[name].mend()));
    return { struckAtMs, backAtMs: Date.now() };
  },
};

export const linksSilent: Scenario = {
  name: "links-silent",
  title: "connections that fall silent without breaking, one pair after the other",
  slowToSettle: true, // with the provider's silence, whether a charge went through is unknown
  async strike({ stage, chance, lasting }) {
    const struckAtMs = Date.now();
    for (const name of chance.shuffled(linkNames)) {
      stage.links[name].freeze();
      await sleep(chance.between(lasting(500, 1_000), lasting(1_200, 6_000)));
      await stage.links[name].mend();
    }
    return { struckAtMs, backAtMs: Date.now() };
  },
};

export const providerDown: Scenario = {
  name: "provider-down",
  title:
    "the payment provider unavailable: nobody is charged twice or let go on a guess, and all is settled after its return",
  slowToSettle: true,
  async strike({ stage, chance, lasting }) {
    const silent = chance.happens(0.5);
    const link = stage.links["worker-simulator"];
    const struckAtMs = Date.now();
    if (silent) link.freeze();
    else await link.cut();
    await sleep(lasting(4_000, 60_000));
    await link.mend();
    return { struckAtMs, backAtMs: Date.now(), note: silent ? "silent" : "refusing" };
  },
};
