/** What the API's description shows: one sale, seen from each side. */

export const exampleItem = {
  id: "item_123",
  name: "Poster",
  price: 1_900,
  currency: "eur",
  available: 100,
  status: "available",
  opensAt: null,
  closesAt: null,
};
export const exampleOrder = {
  id: "0199b4f0-6c1e-7f7a-9d5e-2f1c3a4b5d6e",
  itemId: "item_123",
  quantity: 1,
  amount: 1_900,
  currency: "eur",
  status: "confirmed",
  reason: null,
  message: "Success",
  position: null,
  estimatedSeconds: null,
  payment: { status: "succeeded", clientSecret: null, declineCode: null },
  metadata: { email: "ann@example.com" },
  placedAt: "2026-11-27T09:00:00.012Z",
  reservedAt: "2026-11-27T09:00:00.087Z",
  settledAt: "2026-11-27T09:00:01.654Z",
  holdExpiresAt: null,
};

export const examplePurchase = { quantity: 1, paymentMethod: "pm_card_visa", metadata: { email: "ann@example.com" } };

export const exampleProblem = {
  type: "/problems/out_of_stock",
  title: "Out of stock",
  status: 409,
  detail: "All units are sold or held for others. A unit may come back if a payment fails.",
  code: "out_of_stock",
};
