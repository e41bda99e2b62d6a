import { type AlarmName, alarms } from "./alarm-catalogue.ts";
import type { Logger } from "./log.ts";
import { onceIn } from "./log-once-in.ts";

/**
 * Raises an alarm: one line at `error` that begins with ALARM and has the alarm's sentence, and an
 * entry where operations look. Whoever watches the log is woken by the word.
 * @param name which alarm it is: each is one line a minute at most. What concerns one order or lane
 *   alone has that after a colon, so that no other one's hides it
 * @param detail what exactly: how many, which, the provider's own words
 */
export type RaiseAlarm = (name: RaisedName, detail: string, fields?: object) => void;

/** The name of an alarm, and whom it is about. */
export type RaisedName = AlarmName | `${AlarmName}:${string}`;

/** Where an alarm goes beside the log, every few seconds while it lasts. It must not throw. */
export type RecordAlarm = (name: RaisedName, detail: string) => void;

const quietMs = 60_000; // a fault that a thousand orders meet is one line a minute, not a thousand
const recordEveryMs = 5_000; // operations see the newest detail; one write for a fault that thousands meet

/** Makes the alarms of one process. @param records where each goes beside the log */
export function createAlarms(log: Pick<Logger, "error">, ...records: readonly RecordAlarm[]): RaiseAlarm {
  const logged = onceIn(quietMs, Date.now);
  const recorded = onceIn(recordEveryMs, Date.now);
  return (name, detail, fields = {}) => {
    if (recorded(name) !== null) for (const record of records) record(name, detail);
    if (logged(name) === null) return;
    log.error({ ...fields, alarm: name }, `ALARM: ${alarms[alarmName(name)].sentence} ${detail}`);
  };
}

/** The alarm that a raised name stands for. */
export function alarmName(name: RaisedName): AlarmName {
  return name.split(":", 1)[0] as AlarmName;
}
