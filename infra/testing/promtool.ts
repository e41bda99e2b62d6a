import { debianProgram } from "./debian-program.ts";

/** Prometheus' promtool. @returns null where there is none to be had */
export function findPromtool(): Promise<string | null> {
  return debianProgram(
    ["/usr/bin/promtool", "/usr/local/bin/promtool"],
    "prometheus",
    "tests of the alarms' rules, by promtool",
  );
}
