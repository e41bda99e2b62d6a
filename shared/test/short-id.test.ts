import fc from "fast-check";
import { expect, test } from "vitest";
import { restoreId, shortenId } from "../src/short-id.ts";

test("an id comes back as it was, from 22 characters", () => {
  fc.assert(
    fc.property(fc.uuid(), (id) => {
      expect(shortenId(id)).toMatch(/^[\w-]{22}$/);
      expect(restoreId(shortenId(id))).toBe(id);
    }),
  );
});
