/** What only a process of a later release can read: it is left to one. */
export class LaterFormat extends Error {
  constructor() {
    super("Written by a later release than this process is of");
    this.name = "LaterFormat";
  }
}

/**
 * Of a job's data, of whichever queue. A release that writes another format says so in `format`, and
 * its workers read both; those of the release before leave it in its queue.
 * @param known the latest format that this release reads; the first is not written
 * @throws LaterFormat where it is a later one
 */
export function requireFormat(data: unknown, known: number): void {
  if (Number((data as { format?: unknown } | null)?.format) > known) throw new LaterFormat();
}
