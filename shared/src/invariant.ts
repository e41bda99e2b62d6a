/**
 * Throws when a condition that only a bug could break is broken. Never for bad input or an outage.
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${message}`);
}
