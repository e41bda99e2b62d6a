import { createMetrics } from "@holdfast/api/http/metrics.ts";
import { emptySale } from "@holdfast/api/ops/monitor/sale-feed.ts";
import { saleGauges } from "@holdfast/api/ops/monitor/sale-gauges.ts";
import { createWorkerMetrics } from "@holdfast/worker/metrics/worker-metrics.ts";

/**
 * The metrics that processes of ours export, by name, those of a histogram without their suffix.
 */
export async function exportedMetrics(): Promise<Set<string>> {
  const worker = createWorkerMetrics("test");
  worker.watchSilence(() => 0);
  const fleet = await saleGauges(noStore, () => emptySale)();
  const api = createMetrics("test", "ours only");
  const text = (await worker.registry.metrics()) + (await api.registry.metrics()) + fleet;
  return new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name ?? ""));
}
const noStore = { lanes: [] } as unknown as Parameters<typeof saleGauges>[0];
