import type { Progress } from "./rush.ts";

/**
 * Shows a rush as it goes: on a terminal one line rewritten in place, elsewhere (a CI's log) a line
 * every few seconds.
 */
export function progressDisplay(out: NodeJS.WriteStream): (progress: Progress) => void {
  let shownAtMs = Number.NEGATIVE_INFINITY;
  return (progress) => {
    const { tally, buyers, atMs } = progress;
    const all = tally.finished === buyers;
    if (out.isTTY) out.write(`\r\x1b[2K${line(progress)}${all ? "\n" : ""}`);
    else if (all || atMs - shownAtMs >= plainEveryMs) {
      shownAtMs = atMs;
      out.write(`${line(progress)}\n`);
    }
  };
}

const plainEveryMs = 5_000;
const barLength = 24;

function line({ tally, buyers, atMs, inLine, unitsLeft }: Progress): string {
  const share = tally.finished / buyers;
  const bar = "█".repeat(Math.floor(share * barLength)).padEnd(barLength, "░");
  const count = (name: string) => tally.outcomes.get(name) ?? 0;
  const parts = [
    `  ${bar} ${tally.finished} of ${buyers} answered`,
    `${count("confirmed")} confirmed`,
    ...(inLine === null ? [] : [`${inLine} in line`]),
    ...(unitsLeft === null ? [] : [`${unitsLeft} units left`]),
    `${(atMs / 1_000).toFixed(1)} s`,
  ];
  return parts.join(" · ");
}
