import type { Logger } from "./log.ts";

/**
 * An alarm: one line at `error` that begins with ALARM, says what happened and what to do. Whoever
 * watches the log is woken by the word.
 * @param name which alarm it is, such as `provider_refuses`: each is raised once a minute at most.
 *   What concerns one order alone has its id in the name, so that no other order's hides it
 * @param sentence what happened and what to do, for someone who was just woken up
 */
export type RaiseAlarm = (name: string, sentence: string, fields?: object) => void;

const quietMs = 60_000; // a fault that a thousand orders meet is one line a minute, not a thousand

/** Makes the alarms of one process. */
export function createAlarms(log: Pick<Logger, "error">): RaiseAlarm {
  const raisedAtMs = new Map<string, number>(); // by name, those of the last minute
  return (name, sentence, fields = {}) => {
    const nowMs = Date.now();
    for (const [known, atMs] of raisedAtMs) if (nowMs - atMs >= quietMs) raisedAtMs.delete(known);
    if (raisedAtMs.has(name)) return;
    raisedAtMs.set(name, nowMs);
    log.error({ ...fields, alarm: name }, `ALARM: ${sentence}`);
  };
}
