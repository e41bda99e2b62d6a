import type { Logger } from "./log.ts";

/**
 * An alarm: one line at `error` that begins with ALARM, says what happened and what to do. Whoever
 * watches the log is woken by the word.
 * @param name which alarm it is, such as `provider_refuses_us`: each is raised once a minute at
 *   most
 * @param sentence what happened and what to do, for someone who was just woken up
 */
export type RaiseAlarm = (name: string, sentence: string, fields?: object) => void;

const quietMs = 60_000; // a fault that a thousand orders meet is one line a minute, not a thousand

/** Makes the alarms of one process. */
export function createAlarms(log: Pick<Logger, "error">): RaiseAlarm {
  const raisedAtMs = new Map<string, number>(); // by name: as many as there are alarms in the code
  return (name, sentence, fields = {}) => {
    const nowMs = Date.now();
    if (nowMs - (raisedAtMs.get(name) ?? Number.NEGATIVE_INFINITY) < quietMs) return;
    raisedAtMs.set(name, nowMs);
    log.error({ ...fields, alarm: name }, `ALARM: ${sentence}`);
  };
}
