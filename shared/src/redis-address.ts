/** Where Redis is: `REDIS_URL`, read. */
export type RedisAddress =
  | { readonly kind: "single"; readonly url: string; readonly addresses: readonly string[] | null }
  | { readonly kind: "cluster"; readonly addresses: readonly string[]; readonly access: RedisAccess }
  | {
      readonly kind: "sentinel";
      readonly addresses: readonly string[];
      /** What the sentinels call the master. */
      readonly masterName: string;
      readonly access: RedisAccess;
      /** Of the sentinels themselves, where they ask for one. */
      readonly sentinelPassword?: string;
    };

/** How servers are talked to whose addresses are only found out later. */
export interface RedisAccess {
  readonly username?: string;
  readonly password?: string;
  readonly tls: boolean;
}

const separator = /\s*,\s*/;
const plain = "rediss?://[^,]+";
const node = "(?:[\\w.-]+|\\[[\\da-fA-F:]+\\])(?::\\d+)?";
const sentinels = `rediss?\\+sentinel://(?:[^@/]*@)?${node}(?:\\s*,\\s*${node})*/[\\w.-]+(?:\\?sentinelPassword=[^&\\s]+)?`;

/**
 * What `REDIS_URL` may be:
 * - `redis://…` or `rediss://…` (TLS), one server;
 * - several of them with commas in between: nodes of a Cluster; user and password of the first one
 *   are taken for all;
 * - `redis+sentinel://[user:password@]host:port,host:port/name[?sentinelPassword=…]`: the master
 *   that these sentinels know by this name; user and password are those of Redis. With
 *   `rediss+sentinel` both Redis and the sentinels are reached by TLS.
 */
export const redisAddressPattern = `^(?:${plain}(?:\\s*,\\s*${plain})*|${sentinels})$`;

const defaultPort = "6379";
const defaultSentinelPort = "26379";

/** Reads a `REDIS_URL` that fits the pattern. */
export function parseRedisAddress(value: string): RedisAddress {
  const sentinel =
    /^redis(?<tls>s?)\+sentinel:\/\/(?:(?<user>[^@/]*)@)?(?<hosts>[^/]+)\/(?<name>[^?]+)(?:\?(?<query>.*))?$/.exec(
      value,
    )?.groups;
  if (sentinel) {
    const { tls = "", user = "", hosts = "", name = "", query = "" } = sentinel;
    const encoded = /(?:^|&)sentinelPassword=([^&]*)/.exec(query)?.[1]; // a + is itself, as in the login before it
    const sentinelPassword = encoded === undefined ? null : decodeURIComponent(encoded);
    return {
      kind: "sentinel",
      addresses: hosts.split(separator).map((host) => withPort(host)),
      masterName: name,
      access: access(tls === "s", ...(user.split(/:(.*)/s) as [string, string?])),
      ...(sentinelPassword !== null && { sentinelPassword }),
    };
  }
  const urls = value.split(separator);
  const [first = ""] = urls;
  if (urls.length === 1) return { kind: "single", url: first, addresses: addressesOf(urls) };
  const { protocol, username, password } = URL.parse(first) ?? { protocol: "redis:", username: "", password: "" };
  return {
    kind: "cluster",
    addresses: addressesOf(urls) ?? [],
    access: access(protocol === "rediss:", username, password),
  };
}

function access(tls: boolean, username = "", password = ""): RedisAccess {
  return {
    tls,
    ...(username !== "" && { username: decodeURIComponent(username) }),
    ...(password !== "" && { password: decodeURIComponent(password) }),
  };
}

function withPort(host: string): string {
  return /:\d+$/.test(host) && !/^\[[^\]]*$/.test(host) ? host : `${host}:${defaultSentinelPort}`;
}

/** Null where that is not all that says where a server is, as with a Unix socket. */
function addressesOf(urls: readonly string[]): string[] | null {
  const addresses = urls.map((url) => {
    const parsed = URL.parse(url);
    if (parsed === null || !/^[\w.:[\]-]+$/.test(parsed.hostname)) return null;
    return `${parsed.hostname}:${parsed.port || defaultPort}`;
  });
  return addresses.every((address) => address !== null) ? addresses : null;
}

/** `host:port`, an IPv6 host without its brackets. */
export function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(address.slice(at + 1)) };
}
