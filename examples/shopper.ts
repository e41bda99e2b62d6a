/** What the examples share: a guest of a shop, and the order as the API shows it. */

export interface Order {
  id: string;
  status: "queued" | "reserved" | "confirmed" | "refunded" | "cancelled" | "out_of_stock" | "rejected";
  message: string;
  position: number | null;
  payment: { status: string | null; declineCode: string | null };
}

export type Ask = (method: string, path: string, more?: { body?: object; headers?: object }) => Promise<Order>;

/**
 * Opens a guest session; what it returns asks as this guest. @throws with the problem's detail
 * where it is refused
 */
export async function guestOf(shop: string): Promise<Ask> {
  const session = await fetch(`${shop}/sessions`, { method: "POST" });
  const { token } = (await session.json()) as { token: string };
  return async (method, path, { body, headers } = {}) => {
    const response = await fetch(`${shop}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const answer = (await response.json()) as Order & { detail?: string };
    if (!response.ok) throw new Error(`${response.status}: ${answer.detail}`);
    return answer;
  };
}

export const isFinal = ({ status }: Order) => status !== "queued" && status !== "reserved";

/**
 * One request for each change: the server holds the answer until the order changes, or twenty
 * seconds are over.
 */
export const waiting = { prefer: "wait=20" };
