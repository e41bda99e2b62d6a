import { setTimeout as sleep } from "node:timers/promises";
import { addItem } from "@holdfast/testing/items.ts";
import type { FaultKind, RandomFaults } from "../../stripe-simulator/faults.ts";
import type { Chance } from "./chance.ts";
import { mixedCharacter, startCrowd } from "./crowd.ts";
import { type Evidence, gatherEvidence, isSettled, readQueues } from "./evidence.ts";
import { type Finding, judge } from "./judge.ts";
import { type Recovery, recoveryOf } from "./recovery.ts";
import type { Fault, Scenario } from "./scenario.ts";
import { shopClient } from "./shop-client.ts";
import type { Stage } from "./stage.ts";

export interface RunResult {
  readonly scenario: string;
  readonly title: string;
  readonly seed: number;
  readonly note: string | null;
  readonly shoppers: number;
  readonly accepted: number;
  readonly confirmed: number;
  /** Accepted and not yet settled when the fault struck. */
  readonly underWay: number;
  readonly lost: number;
  readonly doubled: number;
  readonly oversold: number;
  readonly recovery: Recovery;
  readonly tookMs: number;
  readonly findings: readonly Finding[];
  readonly passed: boolean;
}

export interface RunOptions {
  readonly short: boolean;
  /** Shoppers per second. */
  readonly rate: number;
}

const price = 1_999;
const patienceMs = 180_000; // a minute without the provider, a minute in which unknown payments are settled, and one more to see by how much it was too late
const settleTimeoutMs = 60_000;
const holdSeconds = 120; // longer than any fault here: what is let go at its end is tried elsewhere

/**
 * One run: puts items on sale, lets the crowd in, strikes, waits until all is settled, and judges.
 */
export async function runScenario(
  stage: Stage,
  scenario: Scenario,
  seed: number,
  chance: Chance,
  options: RunOptions,
): Promise<RunResult> {
  const beganAtMs = Date.now();
  const itemIds = await putOnSale(stage, scenario.name, options);
  const queuesBefore = await readQueues(stage);
  const deathsBefore = deaths(stage);
  await stage.setProviderFaults(providerFaults(chance, options.short));
  const client = shopClient(stage.apiUrls);
  const { jwtSecret, simulatorUrl } = stage;
  const around = { client, jwtSecret, simulatorUrl, chance: chance.fork(), patienceMs };
  const crowd = startCrowd(around, options.rate, mixedCharacter(itemIds));
  let putBack = async () => {};
  try {
    const lasting = (shortMs: number, longMs: number) => (options.short ? shortMs : longMs);
    await sleep(chance.between(lasting(500, 1_000), lasting(1_200, 3_000)));
    // A fault strikes in the middle of a rush, at no particular moment of it.
    crowd.rush(options.rate * lasting(3, 5));
    await sleep(chance.between(0, 400));
    const fault = await scenario.strike({ stage, chance, crowd, itemIds, lasting });
    putBack = fault.afterwards ?? putBack;
    // New orders come in until the first of them must have been decided; then the shop closes.
    await untilDecidedAfter(crowd.tales, fault.backAtMs);
    await sleep(lasting(500, 1_500));
    await crowd.finish();
    await untilSettled(stage, itemIds);
    const evidence = await gatherEvidence(stage, itemIds, crowd.tales, client.statuses);
    const survived = {
      check: "no process ended but those that were killed",
      ok: deaths(stage) === deathsBefore,
      found: `${deaths(stage) - deathsBefore} did`,
    };
    const findings = [survived, ...(fault.findings ?? [])];
    const tookMs = Date.now() - beganAtMs;
    return result(scenario, seed, { ...fault, findings }, withoutEarlierFailures(evidence, queuesBefore), tookMs);
  } finally {
    try {
      await crowd.finish();
    } finally {
      await putBack();
    }
    await client.close();
  }
}

/**
 * The provider's answers go wrong now and then whatever else does. An error it saved under a key
 * takes the sweeper half a minute to see through: that is for the long form.
 */
function providerFaults(chance: Chance, short: boolean): RandomFaults {
  const seed = Math.floor(chance.draw() * 2 ** 31);
  const brief: FaultKind[] = ["latency", "reset_before", "reset_after", "rate_limited"];
  return { rate: 0.03, seed, kinds: short ? brief : [...brief, "error_before", "error_after"] };
}

/** One item that has enough for everybody, and one that sells out in the middle of it. */
async function putOnSale(stage: Stage, name: string, { rate }: RunOptions): Promise<string[]> {
  const run = `${name}-${Date.now().toString(36)}`;
  const units = { [`${run}-plenty`]: 1_000_000, [`${run}-few`]: Math.ceil(rate * 3) };
  for (const [id, count] of Object.entries(units)) {
    await addItem(stage.db, id, count, { price_minor: price, hold_seconds: holdSeconds });
  }
  return Object.keys(units);
}

const recoveryWatchMs = 30_000; // three times what recovery may take: the judge wants to see by how much it was too late

async function untilDecidedAfter(
  tales: readonly { acceptedMs: number | null; decidedMs: number | null }[],
  ms: number,
) {
  const deadline = Date.now() + recoveryWatchMs;
  while (Date.now() < deadline) {
    if (tales.some((tale) => (tale.acceptedMs ?? 0) >= ms && tale.decidedMs !== null)) return;
    await sleep(50);
  }
}

/** Waits for the end of everything, or for the judge to see what is stuck. */
async function untilSettled(stage: Stage, itemIds: readonly string[]): Promise<void> {
  const deadline = Date.now() + settleTimeoutMs;
  while (!(await isSettled(stage, itemIds)) && Date.now() < deadline) await sleep(200);
}

/** How often our own processes ended without being asked to. */
function deaths({ apis, workers }: Stage): number {
  return [...apis, ...workers].reduce((sum, one) => sum + one.deaths, 0);
}

function withoutEarlierFailures(evidence: Evidence, before: Evidence["queues"]): Evidence {
  const queues = Object.entries(evidence.queues).map(([name, { left, failed }]) => {
    return [name, { left, failed: failed - (before[name]?.failed ?? 0) }] as const;
  });
  return { ...evidence, queues: Object.fromEntries(queues) };
}

function result(scenario: Scenario, seed: number, fault: Fault, evidence: Evidence, tookMs: number): RunResult {
  const verdict = judge(evidence, price, fault.redisLostAtMs ?? null);
  const recovery = recoveryOf(evidence, fault, scenario.slowToSettle ?? false);
  const findings = [...verdict.findings, ...recovery.findings, ...(fault.findings ?? [])];
  const accepted = evidence.tales.filter((tale) => tale.orderId !== null);
  return {
    scenario: scenario.name,
    title: scenario.title,
    seed,
    note: fault.note ?? null,
    shoppers: evidence.tales.length,
    accepted: accepted.length,
    confirmed: evidence.rows.filter((row) => row.status === "confirmed").length,
    underWay: recovery.underWay,
    lost: verdict.lost,
    doubled: verdict.doubled,
    oversold: verdict.oversold,
    recovery: recovery.figures,
    tookMs,
    findings,
    passed: findings.every(({ ok }) => ok),
  };
}

/** A run that could not be brought to its end. */
export function brokenOff(scenario: Scenario, seed: number, tookMs: number, why: string): RunResult {
  return {
    scenario: scenario.name,
    title: scenario.title,
    seed,
    note: null,
    shoppers: 0,
    accepted: 0,
    confirmed: 0,
    underWay: 0,
    lost: 0,
    doubled: 0,
    oversold: 0,
    recovery: { firstOrderMs: null, underWayMs: null, laterMs: null, unknownMs: null },
    tookMs,
    findings: [{ check: "the run came to its end", ok: false, found: why }],
    passed: false,
  };
}
