/**
 * Natural batching: calls with one key that arrive while flushes for that key are under way leave
 * together in the next. A lone call leaves at the end of the event loop's turn it came in, with
 * whoever came in the same one; there is no timer, and the busier it gets the larger the batches
 * become, up to `maxBatch`.
 *
 * Flushes of one key begin in the order of their calls' arrival, and `maxUnderWay` of them overlap:
 * with one at a time, callers, this process and Redis would take turns at waiting for each other. A
 * failed flush fails those who wait behind it too: what it met, they would meet, each after another
 * timeout.
 * @param flush takes a batch and returns one result per call, in the same order
 * @returns a function that rejects with TooManyWaiting where `maxWaiting` calls of a key wait
 *   already
 */
export function coalesce<Call, Result>(
  limits: { readonly maxBatch: number; readonly maxWaiting: number; readonly maxUnderWay: number },
  flush: (key: string, calls: readonly Call[]) => Promise<readonly Result[]>,
): (key: string, call: Call) => Promise<Result> {
  type Waiting = { call: Call; resolve: (result: Result) => void; reject: (error: unknown) => void };
  type Line = { waiting: Waiting[]; underWay: number; soon: boolean };
  const lines = new Map<string, Line>(); // a key is there as long as anybody waits or is under way

  const flushNext = async (key: string, line: Line) => {
    const batch = line.waiting.splice(0, limits.maxBatch);
    line.underWay += 1;
    try {
      const results = await flush(
        key,
        batch.map((waiting) => waiting.call),
      );
      batch.forEach((waiting, i) => {
        waiting.resolve(results[i] as Result);
      });
    } catch (error) {
      for (const waiting of [...batch, ...line.waiting.splice(0)]) waiting.reject(error);
    }
    line.underWay -= 1;
    flushSoon(key, line);
  };
  const flushSoon = (key: string, line: Line) => {
    if (line.waiting.length === 0 && line.underWay === 0 && !line.soon) lines.delete(key);
    if (line.soon || line.waiting.length === 0 || line.underWay >= limits.maxUnderWay) return;
    line.soon = true;
    setImmediate(() => {
      line.soon = false;
      if (line.waiting.length > 0) void flushNext(key, line);
      flushSoon(key, line);
    });
  };

  return (key, call) =>
    new Promise((resolve, reject) => {
      const line = lines.get(key) ?? { waiting: [], underWay: 0, soon: false };
      if (line.waiting.length >= limits.maxWaiting) return reject(new TooManyWaiting());
      lines.set(key, line);
      line.waiting.push({ call, resolve, reject });
      flushSoon(key, line);
    });
}

export class TooManyWaiting extends Error {
  constructor() {
    super("Too many calls wait for the flushes under way");
    this.name = "TooManyWaiting";
  }
}
