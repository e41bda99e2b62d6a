/**
 * What can go wrong between us and a payment provider.
 * - `latency`: the answer takes `ms` longer.
 * - `error_before`, `error_after`: a 500, before or after the request was carried out; saved under
 *   its key like any answer.
 * - `reset_before`, `reset_after`: the connection breaks, before or after the request was carried
 *   out.
 * - `rate_limited`: 429 with Retry-After; nothing was done.
 * - `permission`, `restricted`: the merchant's own faults: 403 for a key without the right, 400
 *   without a `param` for an account that may not charge (now); nothing was done.
 * - `never`: no answer at all, and nothing was done.
 */
export const faultKinds = [
  "latency",
  "error_before",
  "error_after",
  "reset_before",
  "reset_after",
  "rate_limited",
  "permission",
  "restricted",
  "never",
] as const;
const randomKinds: readonly FaultKind[] = faultKinds.slice(0, faultKinds.indexOf("permission"));
export type FaultKind = (typeof faultKinds)[number];

/**
 * A fault for the next `times` requests with this method whose path, with its query, begins with
 * `path` and, without it, ends with `suffix` (such as `/cancel`).
 */
export interface ScriptedFault {
  readonly fault: FaultKind;
  readonly method?: string;
  readonly path?: string;
  readonly suffix?: string;
  readonly ms?: number;
  times: number;
}

export interface RandomFaults {
  /** Which share of the requests, 0 … 1. */
  readonly rate: number;
  readonly seed: number;
  readonly kinds?: readonly FaultKind[];
}

/**
 * Decides for each request whether something goes wrong: first by the script, then by chance. The
 * same seed, the same faults.
 */
export class Faults {
  #script: ScriptedFault[] = [];
  #random: RandomFaults | null = null;
  #next = () => 0;

  script(faults: readonly ScriptedFault[]): void {
    this.#script = faults.map((fault) => ({ ...fault }));
  }

  random(faults: RandomFaults | null): void {
    this.#random = faults;
    this.#next = mulberry32(faults?.seed ?? 0);
  }

  pick(method: string, path: string): { kind: FaultKind; ms: number } | null {
    const bare = path.split("?")[0] ?? "";
    const scripted = this.#script.find(
      (f) =>
        f.times > 0 &&
        (f.method ?? method) === method &&
        path.startsWith(f.path ?? "") &&
        bare.endsWith(f.suffix ?? ""),
    );
    if (scripted) {
      scripted.times -= 1;
      return { kind: scripted.fault, ms: scripted.ms ?? 0 };
    }
    if (this.#random === null || this.#next() >= this.#random.rate) return null;
    const kinds = this.#random.kinds ?? randomKinds;
    const kind = kinds[Math.floor(this.#next() * kinds.length)] ?? "latency";
    return { kind, ms: Math.floor(this.#next() * 50) };
  }
}

/**
 * A small seeded generator of numbers in [0, 1): https://github.com/cprosche/mulberry32 describes
 * the algorithm.
 */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
