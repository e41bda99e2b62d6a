import { type Alarm, type AlarmName, alarms } from "@holdfast/shared/alarm-catalogue.ts";
import type { CheckReadiness, Readiness } from "@holdfast/shared/readiness.ts";
import type { Store } from "@holdfast/shared/redis.ts";
import type { SaleNow } from "../sale-now.ts";
import { readSale } from "./sale-monitor.ts";

/** What an open operations room is sent, and what `GET /ops/api/alarms` answers with. */
export interface SaleFeed {
  /** The sale as it is now, as far as this server can see. */
  current(): Promise<SaleNow>;
  /**
   * Calls back with the sale as JSON whenever it is another, the first time at once; returns how to
   * stop that. However many follow, it is read and written as text once.
   */
  follow(onSale: (json: string) => void): () => void;
  close(): void;
}

const readEveryMs = 1_000;

/**
 * Reads what was measured for all servers, and adds what this server sees for itself: with Redis
 * unavailable nothing is measured, and that is what whoever looks has to know.
 */
export function saleFeed(parts: Store & { readonly checkReadiness: CheckReadiness }): SaleFeed {
  const { redis, keys, checkReadiness } = parts;
  const followers = new Set<(json: string) => void>();
  const downSince = new Map<AlarmName, number>();
  let last: SaleNow = emptySale;
  const current = async () => {
    const [measured, health] = await Promise.all([readSale({ redis, keys }).catch(() => null), checkReadiness()]);
    if (measured !== null) last = measured;
    return withHealth(last, health, downSince);
  };

  let sent = "";
  let timer: NodeJS.Timeout | null = null;
  let reading = false;
  const readOnce = async () => {
    if (reading) return;
    reading = true;
    try {
      const json = JSON.stringify(await current());
      if (json === sent) return;
      sent = json;
      for (const onSale of followers) onSale(json);
    } finally {
      reading = false;
    }
  };
  return {
    current,
    follow(onSale) {
      followers.add(onSale);
      if (sent === "") void readOnce();
      else onSale(sent);
      timer ??= setInterval(() => void readOnce(), readEveryMs);
      return () => {
        followers.delete(onSale);
        if (followers.size > 0 || timer === null) return;
        clearInterval(timer);
        timer = null;
        sent = ""; // old by the time that somebody comes again
      };
    },
    close() {
      if (timer !== null) clearInterval(timer);
      followers.clear();
    },
  };
}

/** The sale with what this server sees of Redis and Postgres, and the alarms for that. */
function withHealth(sale: SaleNow, { redis, postgres }: Readiness, downSince: Map<AlarmName, number>): SaleNow {
  const down: AlarmName[] = [
    ...(redis === "down" ? ["redis_unavailable" as const] : []),
    ...(postgres === "down" ? ["postgres_unavailable" as const] : []),
    ...(postgres === "read_only" ? ["postgres_read_only" as const] : []),
  ];
  for (const known of downSince.keys()) if (!down.includes(known)) downSince.delete(known);
  const missing = down.filter((name) => !sale.alarms.some((alarm) => alarm.name === name));
  const own = missing.map((name): Alarm => {
    const sinceMs = downSince.get(name) ?? Date.now();
    downSince.set(name, sinceMs);
    const { severity, sentence } = alarms[name];
    return {
      id: name,
      name,
      severity,
      since: new Date(sinceMs).toISOString(),
      sentence,
      detail: "As this API server sees it.",
    };
  });
  return {
    ...sale,
    redis: redis === "down" ? { ...sale.redis, state: "down" } : sale.redis,
    postgres: postgres === "up" ? sale.postgres : { ...sale.postgres, state: postgres },
    alarms: [...own, ...sale.alarms],
  };
}

/** What is shown before anything was measured. */
export const emptySale: SaleNow = {
  atMs: 0,
  items: [],
  moreItems: 0,
  orders: {},
  decision: { count: 0, p50Seconds: null, p99Seconds: null },
  charges: { outcomes: {}, backlog: 0, perSecond: 0, emptyInSeconds: 0 },
  provider: { kind: null, errors: {}, lastError: null },
  payments: {
    unknown: 0,
    oldestUnknownSeconds: null,
    unmatched: 0,
    oldestUnmatchedSeconds: null,
    holds: 0,
    holdsOverdue: 0,
    oldestOverdueSeconds: null,
    refundsOpen: 0,
  },
  lanes: [],
  members: [],
  redis: { state: "up", answerMs: null, losses: 0 },
  postgres: { state: "up", answerMs: null },
  shop: { served: false, waiting: 0, failing: 0, oldestFailingSeconds: null, lastError: null },
  requests: { perSecond: 0, shed: 0, waiting: 0 },
  moment: null,
  deadJobs: 0,
  alarms: [],
};
