import { Cluster, Redis, type RedisOptions } from "ioredis";

export type RedisClient = Redis | Cluster;

/**
 * How a connection meets an outage of Redis.
 * - `failing`: a command fails within two seconds, so that a request can be refused (the API).
 * - `waiting`: a command waits until Redis is back, so that work in hand is not lost (the workers;
 *   BullMQ wants it so).
 */
export type RedisPatience = "failing" | "waiting";

const commandTimeoutMs = 2_000; // a healthy Redis answers in one; a frozen one must not hold requests for longer
const maxReconnectDelayMs = 500; // back within half a second of Redis' return
const reconnectDelayMs = (attempt: number) => Math.min(50 * attempt, maxReconnectDelayMs);
const reconnectAfterRefusalMs = 1_000; // how long a failover may go unnoticed that moved the address

/**
 * What a server answers that is no master any more, or may not act as one. After a failover the
 * socket to it can stay open, and it answers PING and reads all the same: only a new connection
 * follows the address to the new master. (Redis 6 puts its own words before a script's error.)
 */
const refusesWrites = /(^|-)(READONLY|MASTERDOWN|NOREPLICAS)\b/;

/**
 * When and how a connection is made anew. A command that was refused as above did nothing, so one
 * that waits is sent again by itself on the new connection (2), and one that fails is refused to
 * its caller (1). What was sent earlier and not answered is another matter: a `failing` connection
 * never repeats it; a `waiting` one does, and all that is sent there may be done twice. Commands
 * inside MULTI must not be repeated one by one, so there is no MULTI on these connections.
 *
 * BullMQ copies a connection for its blocking command with all its options, these included.
 */
function reconnecting(patience: RedisPatience) {
  let refusedAtMs = Number.NEGATIVE_INFINITY;
  const refusedLately = () => performance.now() - refusedAtMs < reconnectAfterRefusalMs;
  if (patience === "failing") {
    return {
      retryStrategy: reconnectDelayMs,
      // Once a second: in between it answers reads, and refuses what is to be refused.
      reconnectOnError(error: Error) {
        if (!refusesWrites.test(error.message) || refusedLately()) return false;
        refusedAtMs = performance.now();
        return 1 as const;
      },
    };
  }
  return {
    // A new connection to a server that still refuses would be refused at once: not in a circle.
    retryStrategy: (attempt: number) => (refusedLately() ? maxReconnectDelayMs : reconnectDelayMs(attempt)),
    reconnectOnError(error: Error) {
      if (!refusesWrites.test(error.message)) return false;
      refusedAtMs = performance.now();
      return 2 as const;
    },
  };
}

/**
 * Connects to Redis, or to a Redis Cluster where the URL names several addresses. Starts connecting
 * at once.
 */
export function connectRedis(url: string, patience: RedisPatience, onError: (error: Error) => void): RedisClient {
  const waiting = patience === "waiting";
  const reconnect = reconnecting(patience);
  const common = {
    maxRetriesPerRequest: waiting ? null : 0,
    enableOfflineQueue: waiting,
    ...(waiting ? {} : { commandTimeout: commandTimeoutMs }),
    connectTimeout: 3_000,
    ...reconnect,
  } satisfies RedisOptions;
  const urls = url.split(",").map((part) => part.trim());
  const first = urls[0] ?? "";
  const client =
    urls.length === 1
      ? new Redis(first, common)
      : new Cluster(urls, {
          redisOptions: common,
          enableOfflineQueue: waiting,
          clusterRetryStrategy: reconnect.retryStrategy,
        });
  // After a failover each refused command asks for the connection to be closed, and listens until
  // it is: hundreds in flight are no leak, which Node would warn of.
  if (client instanceof Redis) client.on("connect", () => client.stream.setMaxListeners(0));
  // Each failed reconnect is reported here; without a listener it would be printed raw.
  client.on("error", onError);
  return client;
}

/**
 * Makes sure at start that Redis answers. @throws one clear line where it does not within five
 * seconds
 */
export async function requireRedis(client: RedisClient): Promise<void> {
  if (client.status === "ready") return;
  const ready = Promise.withResolvers<void>();
  const onReady = () => ready.resolve();
  const timer = setTimeout(() => ready.reject(new Error("Redis cannot be reached")), 5_000);
  client.once("ready", onReady);
  try {
    await ready.promise;
  } finally {
    clearTimeout(timer);
    client.off("ready", onReady);
  }
}

/**
 * The names of everything Holdfast keeps in Redis beside BullMQ's own keys.
 * @param prefix put before every key, so that several installations can share one Redis
 */
export function redisKeys(prefix: string) {
  return {
    /** Held by the worker that is deciding the item's orders. */
    itemLock: (itemId: string) => `${prefix}purchase:${itemId}`,
    /** A hash with the live view of each of a shopper's orders, field: order id. */
    shopperOrders: (shopperId: string) => `${prefix}orders:${shopperId}`,
    /** The traceparent of the request that brought an order, where there is tracing. */
    trace: (orderId: string) => `${prefix}trace:${orderId}`,
    /**
     * A hash with the running numbers of a lane and of each of its items: `accepted:<item>`,
     * `decided`, …
     */
    line: (queueName: string) => `${prefix}line:${queueName}`,
    /** A hash with every item as it is now, field: item id. */
    items: `${prefix}holdfast:{items}`,
    /** What becomes of items. */
    itemMessages: { channel: `${prefix}holdfast:{items}:messages`, counter: `${prefix}holdfast:{items}:number` },
    /** What becomes of orders. */
    orderMessages: { channel: `${prefix}holdfast:{orders}:messages`, counter: `${prefix}holdfast:{orders}:number` },
    /** A hash that says which generation of Redis this is: `token` and `heartbeats`. */
    generation: `${prefix}holdfast:generation`,
    /** How often somebody did something in a minute: `address:…`, `shopper:…`, `sessions:…`. */
    rate: (who: string) => `${prefix}holdfast:rate:${who}`,
    /** How many wrong operations passwords came from an address. */
    opsFailures: (address: string) => `${prefix}holdfast:ops-failures:${address}`,
    /** When the next request to the payment provider may leave. */
    providerRate: `${prefix}holdfast:provider-rate`,
    /** A hash with the living processes and their number of lanes. */
    fleet: `${prefix}holdfast:fleet`,
    /** A hash with what each living process says of itself, field: its id. */
    fleetReports: `${prefix}holdfast:fleet-reports`,
    /** A hash with the alarms that processes have raised, field: its name. */
    alarms: `${prefix}holdfast:alarms`,
    /** Held by the API server that measures the sale for all of them. */
    saleMonitor: `${prefix}holdfast:sale-monitor`,
    /** The sale as it was last measured, and a list of what it was before. */
    saleNow: `${prefix}holdfast:sale-now`,
    saleBefore: `${prefix}holdfast:sale-before`,
    /** What `/readyz` writes, beside a lane's own keys. */
    writeProbe: (queueName: string) => `${prefix}holdfast:${queueName}:write-probe`,
    /**
     * Set where a shopper's order was passed over by its lane; a worker then looks for lost ones.
     */
    passedOver: (queueName: string) => `${prefix}holdfast:${queueName}:passed-over`,
    /** How many jobs an API server has put into a lane. */
    acceptanceMark: (queueName: string, mark: string) => `${prefix}holdfast:${queueName}:mark:${mark}`,
    /** Where BullMQ keeps a queue's settings, its global concurrency among them. */
    queueMeta: (queueName: string) => `${prefix}holdfast:${queueName}:meta`,
    /** BullMQ's prefix. */
    queues: `${prefix}holdfast`,
  };
}
export type RedisKeys = ReturnType<typeof redisKeys>;

/** Redis with the names of what is kept there. */
export interface Store {
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
}
