/** Every variable that a process of ours reads; the README says what they mean. */
export const ourVariables = [
  "HOST",
  "PORT",
  "ADMIN_PORT",
  "DATABASE_URL",
  "DATABASE_READ_URL",
  "REDIS_URL",
  "ACCEPT_REPLICAS",
  "REDIS_PREFIX",
  "PURCHASE_LANES",
  "JWT_SECRET",
  "JWKS_URL",
  "JWT_ISSUER",
  "JWT_AUDIENCE",
  "CORS_ORIGINS",
  "GUEST_SESSIONS",
  "STRIPE_SECRET_KEY",
  "STRIPE_PUBLISHABLE_KEY",
  "STRIPE_API_BASE",
  "STRIPE_WEBHOOK_SECRET",
  "STRIPE_SIMULATOR_URL",
  "STOREFRONT_DIRECTORY",
  "OPS_PASSWORD",
  "OPS_USERS",
  "SHOPPER_RATE_PER_MINUTE",
  "ADDRESS_RATE_PER_MINUTE",
  "MAX_LINE",
  "TRUST_PROXY",
  "WORKER_ROLES",
  "CHARGE_CONCURRENCY",
  "CHARGE_RATE_PER_SECOND",
  "SHOP_WEBHOOK_URL",
  "SHOP_WEBHOOK_SECRET",
  "SHOP_WEBHOOK_ALLOW_PRIVATE",
  "REQUIRE_DURABLE_REDIS",
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "LOG_LEVEL",
] as const;

/** Beginnings that hardly anybody else uses. */
const ourPrefixes = [
  "CHARGE_",
  "PURCHASE_",
  "SHOPPER_",
  "SHOP_WEBHOOK_",
  "ADDRESS_RATE_",
  "GUEST_",
  "JWKS_",
  "JWT_",
  "OPS_",
];

const maxTypos = 2;
const shortestWithTypos = 8; // letters: two typos away from PORT is half the dictionary

/**
 * The variables that look like ours and are none, which are typing errors for all we know: one line
 * each, without its value, naming the nearest one that exists. The rest of the environment is none
 * of our business.
 */
export function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const names = Object.keys(env).filter((name) => env[name] && !(ourVariables as readonly string[]).includes(name));
  return names.flatMap((name) => {
    const prefix = ourPrefixes.find((beginning) => name.startsWith(beginning)) ?? "";
    const [nearest, typos] = nearestVariable(name, prefix);
    const alike = typos <= maxTypos && nearest.length >= shortestWithTypos;
    if (!alike && prefix === "") return [];
    return [`${name} is not known here and has no effect: do you mean ${nearest}?`];
  });
}

function nearestVariable(name: string, prefix: string): readonly [string, number] {
  const distances = ourVariables
    .filter((ours) => ours.startsWith(prefix))
    .map((ours) => [ours, editDistance(name.toUpperCase(), ours)] as const);
  return distances.reduce((best, next) => (next[1] < best[1] ? next : best));
}

/**
 * How many letters must be put in, left out or changed to make one text the other (Levenshtein).
 */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of from.split("").entries()) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const changed = (row[j] ?? 0) + (letter === to[j] ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
