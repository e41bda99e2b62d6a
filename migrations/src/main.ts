import { openDatabase } from "@holdfast/shared/database.ts";
import { databaseUrl, logLevel, readEnvironment } from "@holdfast/shared/environment.ts";
import { createLog } from "@holdfast/shared/log.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { unknownVariables } from "@holdfast/shared/unknown-variables.ts";
import { Type } from "typebox";
import { migrate } from "./migrate.ts";

try {
  const config = readEnvironment(Type.Object({ DATABASE_URL: databaseUrl, LOG_LEVEL: logLevel }), process.env);
  const log = createLog("migrations", config.LOG_LEVEL);
  for (const line of unknownVariables(process.env)) log.warn(line);
  const db = openDatabase(config.DATABASE_URL, 1, (error) => log.warn({ err: error }, "Postgres connection lost"));
  try {
    const applied = await migrate(db);
    log.info({ applied }, applied.length === 0 ? "schema is up to date" : "schema brought up to date");
  } finally {
    await db.destroy();
  }
} catch (error) {
  reportStartFailure("migrations", error);
}
