import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Stage } from "./stage.ts";

/** What the stage's processes have raised the alarm about since then, from their logs. */
export async function alarmsSince(stage: Stage, ms: number): Promise<string[]> {
  const logs = join(stage.directory, "log");
  const texts = await Promise.all((await readdir(logs)).map((name) => readFile(join(logs, name), "utf8")));
  return texts.flatMap((text) =>
    text.split("\n").flatMap((line) => {
      if (!line.includes("ALARM")) return [];
      const { time, msg } = JSON.parse(line) as { time: number; msg: string };
      return time >= ms ? [msg] : [];
    }),
  );
}
