import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { clientAddress } from "../src/http/client-address.ts";

const socket = { remoteAddress: "192.0.2.200" } as Socket;
const seen = (ip: string) => clientAddress({ ip, socket });

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:192.0.2.1", "192.0.2.1"],
])("%s counts as %s", (ip, counted) => {
  expect(seen(ip)).toBe(counted);
});

test("all addresses of an IPv6 subscriber's /64 count as one, however they are written, and the next /64 as another", () => {
  const one = [
    "2001:db8:1:2::1",
    "2001:DB8:1:2:ffff:ffff:ffff:ffff",
    "2001:0db8:0001:0002::",
    "2001:db8:1:2::192.0.2.1",
  ];
  expect(new Set(one.map(seen))).toEqual(new Set(["2001:db8:1:2::/64"]));
  expect(seen("2001:db8:1:3::1")).toBe("2001:db8:1:3::/64");
  expect(seen("::1")).toBe("0:0:0:0::/64");
  expect(seen("2001:db8::1")).toBe("2001:db8:0:0::/64");
  expect(seen("fe80::1%eth0")).toBe("fe80:0:0:0::/64");
});

test.each(["", "unknown", "_hidden", "192.0.2.1:80", "' or 1=1", "a\r\nb", "1".repeat(10_000)])(
  "what was forwarded and is no address, %j, is not believed: the connection's own counts",
  (ip) => {
    expect(seen(ip)).toBe("192.0.2.200");
  },
);
