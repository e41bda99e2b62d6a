import { flooded } from "./flood.ts";
import { linksCut, linksFlapping, linksSilent, linksSlow, providerDown } from "./network-faults.ts";
import { apiKilled, apisKilled, sweeperKilled, workerFrozen, workerKilled, workersKilled } from "./process-faults.ts";
import { providerKeyRefused } from "./provider-key.ts";
import { redisFailover } from "./redis-failover.ts";
import { redisEmptied, redisEmptiedTwice, redisRestored } from "./redis-loss.ts";
import type { Scenario } from "./scenario.ts";
import { allTerminated, rollingRestart } from "./shutdowns.ts";
import {
  bothKilled,
  postgresFailover,
  postgresKilled,
  redisDemoted,
  redisDiskFull,
  redisKilled,
  redisOutOfMemory,
} from "./storage-faults.ts";

/** Everything that is tried. */
export const scenarios: readonly Scenario[] = [
  workerKilled,
  workersKilled,
  apiKilled,
  apisKilled,
  sweeperKilled,
  workerFrozen,
  redisKilled,
  postgresKilled,
  bothKilled,
  postgresFailover,
  redisOutOfMemory,
  redisDiskFull,
  redisDemoted,
  redisFailover,
  redisEmptied,
  redisEmptiedTwice,
  redisRestored,
  linksCut,
  linksFlapping,
  linksSlow,
  linksSilent,
  providerDown,
  providerKeyRefused,
  allTerminated,
  rollingRestart,
  flooded,
];
