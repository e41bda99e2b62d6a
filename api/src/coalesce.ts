/**
 * Natural batching: calls with one key that arrive while a flush for that key is under way leave together in the next. A lone call
 * waits for nothing, there is no timer, and the busier it gets the larger the batches become, up to `maxBatch`.
 *
 * Calls of one key are flushed one batch after the other, in their order of arrival. A failed flush fails those who waited behind it too:
 * what it met, they would meet, each after another timeout.
 * @param flush takes a batch and returns one result per call, in the same order
 * @returns a function that rejects with TooManyWaiting where `maxWaiting` calls of a key wait already
 */
export function coalesce<Call, Result>(
  { maxBatch, maxWaiting }: { readonly maxBatch: number; readonly maxWaiting: number },
  flush: (key: string, calls: readonly Call[]) => Promise<readonly Result[]>,
): (key: string, call: Call) => Promise<Result> {
  type Waiting = { call: Call; resolve: (result: Result) => void; reject: (error: unknown) => void };
  const waitingByKey = new Map<string, Waiting[]>(); // a key is there as long as a flush for it is under way

  async function flushAll(key: string, first: Waiting): Promise<void> {
    let batch = [first];
    while (batch.length > 0) {
      try {
        const results = await flush(
          key,
          batch.map((waiting) => waiting.call),
        );
        batch.forEach((waiting, i) => {
          waiting.resolve(results[i] as Result);
        });
      } catch (error) {
        for (const waiting of [...batch, ...(waitingByKey.get(key)?.splice(0) ?? [])]) waiting.reject(error);
      }
      batch = waitingByKey.get(key)?.splice(0, maxBatch) ?? [];
    }
    waitingByKey.delete(key);
  }

  return (key, call) =>
    new Promise((resolve, reject) => {
      const waiting = waitingByKey.get(key);
      if (waiting && waiting.length >= maxWaiting) {
        reject(new TooManyWaiting());
      } else if (waiting) {
        waiting.push({ call, resolve, reject });
      } else {
        waitingByKey.set(key, []);
        void flushAll(key, { call, resolve, reject });
      }
    });
}

export class TooManyWaiting extends Error {
  constructor() {
    super("Too many calls wait for the flush under way");
    this.name = "TooManyWaiting";
  }
}
