import type { Chance } from "./chance.ts";
import type { Crowd } from "./crowd.ts";
import type { Finding } from "./judge.ts";
import type { Stage } from "./stage.ts";

/** What a fault has to work with. */
interface Scene {
  readonly stage: Stage;
  readonly chance: Chance;
  readonly crowd: Crowd;
  /** The items on sale in this run. */
  readonly itemIds: readonly string[];
  /** A length of time that differs between the short form and the long one. */
  readonly lasting: (shortMs: number, longMs: number) => number;
}

/** What was done, and what the judge has to know of it. Times are milliseconds since 1970. */
export interface Fault {
  readonly struckAtMs: number;
  /** From when on recovery counts: the part's return, or a worker's death. */
  readonly backAtMs: number;
  /** In a few words, what this run did where the scenario leaves it open. */
  readonly note?: string;
  /** When Redis lost what only it had. */
  readonly redisLostAtMs?: number;
  /** What is particular to this fault. */
  readonly findings?: readonly Finding[];
  /** Puts back what this fault left in another place, once the judge has seen all. */
  readonly afterwards?: () => Promise<void>;
}

export interface Scenario {
  readonly name: string;
  /** What is done and what must come of it, as a guarantee. */
  readonly title: string;
  /**
   * Whether orders under way may take as long as unknown payments do: where the fault is the
   * provider's, or took their jobs.
   */
  readonly slowToSettle?: boolean;
  /** Whether it takes the whole machine, so that nothing else can be measured beside it. */
  readonly alone?: boolean;
  /** Breaks something while the crowd is in the shop, and sees to it that all parts are back. */
  strike(scene: Scene): Promise<Fault>;
}
