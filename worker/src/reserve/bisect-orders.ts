import { isPermanent } from "@holdfast/shared/outage.ts";
import type { PurchaseJob, PurchaseRequest } from "@holdfast/shared/purchase-job.ts";

/** An order that cannot be decided, however often it is tried, and why. */
export interface Undecidable {
  readonly request: PurchaseRequest;
  readonly why: string;
}

/**
 * The item is locked elsewhere: the rest of the job has to wait. What was decided of it is in
 * Postgres.
 */
export class ItemIsLocked extends Error {
  constructor(itemId: string) {
    super(`Item ${itemId} is locked elsewhere`);
    this.name = "ItemIsLocked";
  }
}

/**
 * Decides a job as a whole; where it is refused for good, in halves, one after the other, down to
 * the orders that are to blame. So a bad order among 500 costs some twenty tries, the good ones are
 * decided as if it were not there, and nobody is passed by one who came later.
 * @param decide the reserve step; a part that was decided before is decided again without effect
 * @returns the orders to blame, in their order of arrival; mostly none
 * @throws ItemIsLocked; whatever is not permanent, such as an outage: then all of it is to be tried
 *   again later
 */
export async function bisectOrders(
  job: PurchaseJob,
  decide: (part: PurchaseJob) => Promise<"decided" | "item_locked">,
): Promise<Undecidable[]> {
  const { requests } = job;
  try {
    if ((await decide(job)) === "item_locked") throw new ItemIsLocked(job.itemId);
    return [];
  } catch (error) {
    if (!isPermanent(error)) throw error;
    const [only] = requests;
    if (requests.length === 1 && only) return [{ request: only, why: (error as Error).message }];
    const middle = Math.ceil(requests.length / 2);
    const behind = requests.length - middle; // the line moves on only to where the first half ends
    const first = { ...job, requests: requests.slice(0, middle), lastPlace: job.lastPlace - behind };
    const second = { ...job, requests: requests.slice(middle) };
    return [...(await bisectOrders(first, decide)), ...(await bisectOrders(second, decide))];
  }
}
