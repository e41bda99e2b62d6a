import { beforeEach, describe, expect, test } from "vitest";

// Written for browsers, in plain JavaScript; loaded here as a browser does.
const { takeToken } = (await import(new URL("../web/sign-in.js", import.meta.url).href)) as {
  takeToken: (
    location: Readonly<Record<"hash" | "pathname" | "search", string>>,
    history: { state: unknown; replaceState(state: unknown, title: string, url: string): void },
    storage: () => Pick<Storage, "getItem" | "setItem">,
  ) => string | null;
};

describe("a token in the page's address", () => {
  let kept: Map<string, string>;
  let addresses: string[];
  beforeEach(() => {
    kept = new Map();
    addresses = [];
  });
  const storage = () => ({
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => void kept.set(name, text),
  });
  const history = { state: null, replaceState: (_state: unknown, _title: string, url: string) => addresses.push(url) };
  const at = (hash: string) => ({ hash, pathname: "/", search: "?from=mail" });

  test("is taken out of it, and kept for this tab", () => {
    expect(takeToken(at("#token=a.b-c.d_e"), history, storage)).toBe("a.b-c.d_e");
    expect(addresses).toEqual(["/?from=mail"]);
    expect(takeToken(at(""), history, storage)).toBe("a.b-c.d_e");
    expect(addresses).toHaveLength(1);
  });

  test("takes the place of the one before", () => {
    takeToken(at("#token=first"), history, storage);
    expect(takeToken(at("#token=second"), history, storage)).toBe("second");
  });

  test("is used all the same where the browser keeps nothing", () => {
    const forbidden = () => {
      throw new Error("The operation is insecure");
    };
    expect(takeToken(at("#token=a.b.c"), history, forbidden)).toBe("a.b.c");
    expect(addresses).toEqual(["/?from=mail"]);
    expect(takeToken(at(""), history, forbidden)).toBeNull();
  });

  test("is none where there is something else behind the #", () => {
    expect(takeToken(at("#items"), history, storage)).toBeNull();
    expect(addresses).toEqual([]);
  });
});
