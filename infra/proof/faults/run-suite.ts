import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { chanceOf } from "./chance.ts";
import { brokenOff, type RunOptions, type RunResult, runScenario } from "./run-scenario.ts";
import type { Scenario } from "./scenario.ts";
import { openStage, type Stage } from "./stage.ts";

export interface SuiteOptions extends RunOptions {
  readonly seed: number;
  /**
   * How many systems are broken side by side, each with its own scenarios: most of the time
   * everybody waits for something to come back.
   */
  readonly stages: number;
  /** Until when new runs are begun after each scenario was tried once; 0 for one round. */
  readonly minutes: number;
  /** For data and logs; a folder per stage. */
  readonly directory: string;
  readonly onResult?: (result: RunResult) => void;
  readonly signal?: AbortSignal;
}

/**
 * Tries every scenario once, in random order, and goes on round after round until the time is over.
 * Those that take the whole machine come by themselves at the end of a round.
 */
export async function runSuite(scenarios: readonly Scenario[], options: SuiteOptions): Promise<RunResult[]> {
  const endMs = Date.now() + options.minutes * 60_000;
  const chance = chanceOf(options.seed);
  const results: RunResult[] = [];
  const stages = await openStages(options);
  try {
    do {
      const [alone, together] = [true, false].map((is) => scenarios.filter((one) => (one.alone ?? false) === is));
      await runRound(chance.shuffled(together ?? []), stages);
      await runRound(chance.shuffled(alone ?? []), stages.slice(0, 1));
    } while (Date.now() < endMs && !options.signal?.aborted);
    return results;
  } finally {
    await Promise.all(stages.map((stage) => stage.close()));
  }

  async function runRound(round: readonly Scenario[], on: readonly Stage[]): Promise<void> {
    const left = round.map((scenario) => ({ scenario, seed: Math.floor(chance.draw() * 2 ** 31) }));
    const late = () => options.minutes > 0 && Date.now() >= endMs;
    await Promise.all(
      on.map(async (stage) => {
        while (left.length > 0 && !late() && !options.signal?.aborted) {
          const next = left.shift();
          if (next === undefined) return;
          const result = await tryScenario(stage, next.scenario, next.seed, options);
          results.push(result);
          options.onResult?.(result);
        }
      }),
    );
  }
}

/** A run that comes to no end of its own is one that failed; the others go on. */
async function tryScenario(stage: Stage, scenario: Scenario, seed: number, options: RunOptions): Promise<RunResult> {
  const beganAtMs = Date.now();
  try {
    await makeWhole(stage);
    return await runScenario(stage, scenario, seed, chanceOf(seed), options);
  } catch (error) {
    return brokenOff(scenario, seed, Date.now() - beganAtMs, String(error));
  }
}

async function openStages({ stages, directory }: SuiteOptions): Promise<Stage[]> {
  const opened: Stage[] = [];
  try {
    for (let i = 1; i <= stages; i++) {
      const folder = join(directory, `stage-${i}`);
      await mkdir(folder, { recursive: true });
      opened.push(await openStage(folder));
    }
    return opened;
  } catch (error) {
    await Promise.all(opened.map((stage) => stage.close()));
    throw error;
  }
}

/**
 * A process that died when it should not have was reported; the next run shall not suffer for it.
 */
async function makeWhole(stage: Stage): Promise<void> {
  await Promise.all([stage.postgres, stage.redis].map((one) => one.start()));
  await Promise.all([...stage.apis, ...stage.workers].map((one) => one.start()));
}
