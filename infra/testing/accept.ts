import { requestCounter } from "@holdfast/api/http/counting-store.ts";
import { type AcceptParts, orderAcceptor } from "@holdfast/api/orders/accept-orders.ts";
import { acceptanceMarks } from "@holdfast/api/orders/acceptance-marks.ts";
import type { PurchaseRequest } from "@holdfast/shared/purchase-job.ts";
import type { LaneQueue } from "@holdfast/shared/queues.ts";
import type { RedisClient, RedisKeys } from "@holdfast/shared/redis.ts";

const address = "192.0.2.1"; // of the documentation's network; nothing is limited by it

/**
 * Puts purchases in line as an API server does, without HTTP and, unless asked for, without limits.
 */
export function acceptor(
  { redis, keys }: { readonly redis: RedisClient; readonly keys: RedisKeys },
  lanes: readonly LaneQueue[],
  more: Partial<AcceptParts> = {},
) {
  const limits = { perAddress: 0, perShopper: 0, windowMs: 60_000, count: requestCounter(redis) };
  const marks = acceptanceMarks({ redis, keys });
  const accept = orderAcceptor({
    redis,
    keys,
    lanes,
    marks,
    metrics: { accepted: () => {} },
    maxLine: 1_000,
    limits,
    ...more,
  });
  return (itemId: string, request: PurchaseRequest) => accept(itemId, request, address);
}
