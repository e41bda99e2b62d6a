import { Cluster, Redis, type SentinelConnectionOptions, SentinelConnector } from "ioredis";
import { hostAndPort, parseRedisAddress, type RedisAccess } from "./redis-address.ts";

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
const slotsRefreshMs = 5_000; // one CLUSTER SLOTS of each connection
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
 * Connects to Redis, to a Redis Cluster, or to the master that sentinels name (redis-address.ts).
 * Starts connecting at once.
 */
export function connectRedis(url: string, patience: RedisPatience, onError: (error: Error) => void): RedisClient {
  const client = openClient(url, patience);
  // After a failover each refused command asks for the connection to be closed, and listens until
  // it is: hundreds in flight are no leak, which Node would warn of.
  if (client instanceof Redis) client.on("connect", () => client.stream.setMaxListeners(0));
  // Each failed reconnect is reported here; without a listener it would be printed raw.
  client.on("error", onError);
  return client;
}

/**
 * A `waiting` connection for subscriptions. In a Cluster every node gives on every message, so it is
 * a connection to one of them, and to the next where that one is gone. The client for a Cluster
 * would do the same without a pause: while no node answers it takes a whole core.
 */
export function connectSubscriber(url: string, onError: (error: Error) => void): RedisClient {
  const address = parseRedisAddress(url);
  if (address.kind !== "cluster") return connectRedis(url, "waiting", onError);
  const { tls, ...login } = address.access;
  const nodes = address.addresses.map(hostAndPort);
  const common = commonOptions("waiting");
  let turn = Math.floor(Math.random() * nodes.length);
  const next = () => nodes[turn++ % nodes.length] as (typeof nodes)[number];
  const client = new Redis({
    ...common,
    ...login,
    ...next(),
    ...(tls && { tls: {} }),
    retryStrategy(attempt) {
      Object.assign(client.options, next()); // read when it connects again
      return common.retryStrategy(attempt);
    },
  });
  client.on("error", onError);
  return client;
}

/** What every connection of this patience has, to whichever server. */
function commonOptions(patience: RedisPatience) {
  const waiting = patience === "waiting";
  return {
    maxRetriesPerRequest: waiting ? null : 0,
    enableOfflineQueue: waiting,
    ...(waiting ? {} : { commandTimeout: commandTimeoutMs }),
    connectTimeout: 3_000,
    ...reconnecting(patience),
  };
}

function openClient(url: string, patience: RedisPatience): RedisClient {
  const common = commonOptions(patience);
  const address = parseRedisAddress(url);
  switch (address.kind) {
    case "single":
      return new Redis(address.url, common);
    case "sentinel": {
      const { tls, ...login } = address.access;
      return new Redis({
        ...common,
        ...login,
        ...(tls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }),
        sentinels: address.addresses.map(hostAndPort),
        name: address.masterName,
        ...(address.sentinelPassword !== undefined && { sentinelPassword: address.sentinelPassword }),
        sentinelRetryStrategy: reconnectDelayMs,
        sentinelCommandTimeout: commandTimeoutMs,
        // Leaves a master that hangs when another one is named, not when its socket ends.
        failoverDetector: true,
        Connector: FreshSentinelConnector,
      });
    }
    case "cluster":
      return openCluster(address.addresses, address.access, common);
  }
}

/**
 * Asks for the master with nothing left of the connection before. ioredis' own goes on listening
 * there for a failover, and takes one that is announced while it asks for the end of the new
 * connection, which is then never made again.
 */
class FreshSentinelConnector extends SentinelConnector {
  /** Whether the last connection was made: only then does it listen for a failover. */
  #listens = false;

  // What ioredis hands over, in the words of its own type.
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions);
  }

  override async connect(...from: Parameters<SentinelConnector["connect"]>) {
    // Once: each time leaves listeners behind, and a dead master is tried many times.
    if (this.#listens) super.disconnect();
    this.#listens = false;
    const stream = await super.connect(...from);
    stream.once("connect", () => {
      this.#listens = true;
    });
    return stream;
  }
}

function openCluster(
  nodes: readonly string[],
  { tls, ...login }: RedisAccess,
  common: ReturnType<typeof commonOptions>,
): Cluster {
  const waiting = common.enableOfflineQueue;
  return new Cluster(nodes.map(hostAndPort), {
    redisOptions: { ...common, ...login, ...(tls && { tls: {} }) },
    enableOfflineQueue: waiting,
    clusterRetryStrategy: common.retryStrategy,
    // Each is a tenth of a second, twice where a node refuses connections: a failover that is planned
    // is over by then. What was sent and not answered is repeated, too: unlike on one server, a
    // `failing` command may be done twice. A `waiting` one goes on: a job that has ended must not
    // fail for it.
    maxRedirections: waiting ? 100_000 : 16,
    retryDelayOnFailover: 100,
    retryDelayOnMoved: waiting ? 20 : 0, // between nodes that send it on to each other
    // A master that hangs keeps its sockets: nothing else would tell that another has its slots.
    slotsRefreshInterval: slotsRefreshMs,
    // The names in a certificate are those that the Cluster gives.
    ...(tls && { dnsLookup: (name, found) => found(null, name) }),
  });
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
 * Hash tags spread evenly over a Cluster's 16,384 slots, one in each 512: a master with 1,023 slots
 * in a row has one of them.
 */
export const spreadTags = [
  10, 1645, 25, 1670, 180, 1288, 758, 1398, 1653, 293, 138, 33, 208, 196, 318, 1010, 1040, 348, 1075, 5, 63, 168, 56,
  695, 496, 708, 586, 121, 793, 75, 683, 40,
];

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
    /** The same once more in a Cluster, so that each master has one. */
    generationWitnesses: spreadTags.map((tag) => `${prefix}holdfast:generation:{${tag}}`),
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
