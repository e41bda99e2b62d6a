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
  const applied = await migrate(config.DATABASE_URL, { log });
  log.info({ applied }, applied.length === 0 ? "schema is up to date" : "schema brought up to date");
} catch (error) {
  reportStartFailure("migrations", error);
}
