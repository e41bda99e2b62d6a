import { purchaseRequest } from "@holdfast/testing/purchases.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocate, type Supply } from "../src/reserve/allocate.ts";

const open: Supply = {
  inventory: 10,
  opensAtMs: null,
  closesAtMs: null,
  maxPerShopper: null,
  unitsOfShopper: new Map(),
};
const statuses = (supply: Supply | null, requests: ReturnType<typeof purchaseRequest>[]) =>
  allocate(supply, requests).map(({ status, reason }) => {
    expect(status === "rejected").toBe(reason !== null); // a reason is given where an order is rejected, and only there
    return reason ?? status;
  });

describe("allocate", () => {
  test("serves in the order of arrival until nothing is left", () => {
    const requests = [1, 2, 3].map(() => purchaseRequest());
    expect(statuses({ ...open, inventory: 2 }, requests)).toEqual(["reserved", "reserved", "out_of_stock"]);
  });

  test("gives an order all of its units or none, and a smaller one behind may still be served", () => {
    const requests = [purchaseRequest({ quantity: 3 }), purchaseRequest({ quantity: 2 })];
    expect(statuses({ ...open, inventory: 2 }, requests)).toEqual(["out_of_stock", "reserved"]);
  });

  test("counts what a shopper holds already against the limit, two orders in one batch included", () => {
    const supply = { ...open, maxPerShopper: 3, unitsOfShopper: new Map([["ann", 1]]) };
    const requests = [
      purchaseRequest({ shopperId: "ann", quantity: 1 }),
      purchaseRequest({ shopperId: "ann", quantity: 2 }),
      purchaseRequest({ shopperId: "ann", quantity: 1 }),
      purchaseRequest({ shopperId: "ben", quantity: 3 }),
    ];
    expect(statuses(supply, requests)).toEqual(["reserved", "limit_exceeded", "reserved", "reserved"]);
  });

  test("a refused order uses up nothing of the shopper's limit", () => {
    const requests = [
      purchaseRequest({ shopperId: "ann", quantity: 5 }),
      purchaseRequest({ shopperId: "ann", quantity: 1 }),
    ];
    expect(statuses({ ...open, inventory: 1, maxPerShopper: 5 }, requests)).toEqual(["out_of_stock", "reserved"]);
  });

  test("goes by when Buy was pressed: from opening on, before closing", () => {
    const supply = { ...open, opensAtMs: 100, closesAtMs: 200 };
    const requests = [99, 100, 199, 200].map((placedAtMs) => purchaseRequest({ placedAtMs }));
    expect(statuses(supply, requests)).toEqual(["sale_not_open", "reserved", "reserved", "sale_not_open"]);
  });

  test("a sale without an opening is open from the beginning of time, and one without an end never ends", () => {
    expect(
      statuses(
        open,
        [-1, Number.MAX_SAFE_INTEGER].map((placedAtMs) => purchaseRequest({ placedAtMs })),
      ),
    ).toEqual(["reserved", "reserved"]);
  });

  test("an item that does not exist rejects every order", () => {
    expect(statuses(null, [purchaseRequest(), purchaseRequest()])).toEqual(["item_not_found", "item_not_found"]);
  });
});

const supplies: fc.Arbitrary<Supply> = fc.record({
  inventory: fc.nat(30),
  opensAtMs: fc.option(fc.nat(10)),
  closesAtMs: fc.option(fc.integer({ min: 5, max: 20 })),
  maxPerShopper: fc.option(fc.integer({ min: 1, max: 6 })),
  unitsOfShopper: fc
    .dictionary(fc.constantFrom("ann", "ben", "eve"), fc.nat(4))
    .map((units) => new Map(Object.entries(units))),
});
const requests = fc
  .array(
    fc.record({
      shopperId: fc.constantFrom("ann", "ben", "eve", "joe"),
      quantity: fc.integer({ min: 1, max: 5 }),
      placedAtMs: fc.nat(20),
    }),
    { maxLength: 40 },
  )
  .map((list) => list.map((more) => purchaseRequest(more)));

/** Runs a property over any supply and any line, with the units each decision took. */
function always(
  check: (supply: Supply, decisions: ReturnType<typeof allocate>, left: (upTo: number) => number) => void,
) {
  fc.assert(
    fc.property(supplies, requests, (supply, line) => {
      const decisions = allocate(supply, line);
      const taken = (upTo: number) =>
        decisions.slice(0, upTo).reduce((sum, d) => sum + (d.status === "reserved" ? d.request.quantity : 0), 0);
      expect(decisions.map((d) => d.request)).toEqual(line);
      check(supply, decisions, (upTo) => supply.inventory - taken(upTo));
    }),
    { numRuns: 500 },
  );
}

describe("for any supply and any line", () => {
  test("never more is given out than there is", () => {
    always((_supply, decisions, left) => expect(left(decisions.length)).toBeGreaterThanOrEqual(0));
  });

  test("first come first served: an order is out of stock only if its turn found too few units", () => {
    always((_supply, decisions, left) => {
      decisions.forEach((d, i) => {
        if (d.status === "out_of_stock") expect(left(i)).toBeLessThan(d.request.quantity);
        if (d.status === "reserved") expect(left(i)).toBeGreaterThanOrEqual(d.request.quantity);
      });
    });
  });

  test("no shopper gets more than the limit, what they had before included", () => {
    always((supply, decisions) => {
      for (const shopper of ["ann", "ben", "eve", "joe"]) {
        const before = supply.unitsOfShopper.get(shopper) ?? 0;
        const got = decisions
          .filter((d) => d.status === "reserved" && d.request.shopperId === shopper)
          .reduce((sum, d) => sum + d.request.quantity, 0);
        if (supply.maxPerShopper !== null && got > 0) expect(before + got).toBeLessThanOrEqual(supply.maxPerShopper);
      }
    });
  });

  test("the same input gives the same output, and the input is left alone", () => {
    fc.assert(
      fc.property(supplies, requests, (supply, line) => {
        const before = structuredClone({ supply, line });
        expect(allocate(supply, line)).toEqual(allocate(supply, line));
        expect({ supply, line }).toEqual(before);
      }),
    );
  });
});
