/**
 * Errors by their consequence. An outage passes by itself: whoever meets one waits and tries the
 * same thing again, and no order fails for it. Anything else is a surprise that the same try would
 * meet again.
 */

// https://www.postgresql.org/docs/current/errcodes-appendix.html: classes whose errors pass by
// themselves.
const transientSqlClasses = ["08", "53", "57", "58"];
// serialization_failure, deadlock_detected, lock_not_available, read_only_sql_transaction (a
// failover under way), unique_violation (another worker wrote the same order a moment ago: the next
// try finds it)
const transientSqlStates = ["40001", "40P01", "55P03", "25006", "23505"];
const transientSystemCodes = [
  "ECONNABORTED",
  "EHOSTDOWN",
  "ENETDOWN",
  "ENETUNREACH",
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
];
// What has no code of its own is known by its message.
const connectionLost =
  /connection (terminated|ended|is closed)|client has encountered a connection error|not queryable|stream isn't writeable/i;
const timedOut =
  /timeout (exceeded )?when trying to connect|query read timeout|connection timeout|command timed out|command aborted|max retries per request/i;
const tlsFailed = /error establishing an ssl connection/i;
const clusterNotReady =
  /cluster isn't ready|startup nodes is available|cluster is (ended|disconnect)|too many cluster redirections/i;
const redisRefuses = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|MISCONF|OOM|BUSY|NOREPLICAS|UNBLOCKED)\b/i;
const scriptRefused = /-(OOM|READONLY|MISCONF|NOREPLICAS)\b/i; // Redis 6 puts its own words before a script's error
const transientMessages = [connectionLost, timedOut, tlsFailed, clusterNotReady, redisRefuses, scriptRefused];

/**
 * Whether an error says that Postgres or Redis is unavailable or busy, rather than that something
 * is wrong with the work.
 */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.every(isOutage);
  const { code } = error as { code?: unknown };
  if (typeof code === "string") {
    if (transientSystemCodes.includes(code) || transientSqlStates.includes(code)) return true;
    if (code.length === 5 && transientSqlClasses.includes(code.slice(0, 2))) return true;
  }
  return (
    transientMessages.some((pattern) => pattern.test(error.message)) ||
    (error.cause !== undefined && isOutage(error.cause))
  );
}

/**
 * Whether an outage is one of Redis, by what its client and its servers say. Of what says neither
 * it is not known.
 */
export function isRedisOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { name, message } = error;
  const ofClient = ["ReplyError", "MaxRetriesPerRequestError", "ClusterAllFailedError", "AbortError"].includes(name);
  const said = [
    clusterNotReady,
    redisRefuses,
    scriptRefused,
    /^(connection is closed\.|command timed out|stream isn't writeable.*)$/i,
  ];
  return ofClient || said.some((pattern) => pattern.test(message));
}

/**
 * Whether an error would meet every further try of the same work: data that is not what it should
 * be, a broken invariant, a row that the database refuses. Of anything else we do not know that, so
 * the work is kept.
 */
export function isPermanent(error: unknown): boolean {
  if (!(error instanceof Error) || isOutage(error)) return false;
  const { code } = error as { code?: unknown };
  const refusedRow = typeof code === "string" && code.length === 5 && ["22", "23"].includes(code.slice(0, 2));
  return (
    refusedRow ||
    error instanceof TypeError ||
    error instanceof RangeError ||
    error.message.startsWith("Invariant broken")
  );
}
