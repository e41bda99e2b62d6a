import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createLog } from "../src/log.ts";

test("no secret reaches a log line, however it gets there", () => {
  let written = "";
  const sink = new Writable({
    write(chunk, _encoding, done) {
      written += String(chunk);
      done();
    },
  });
  const log = createLog("test", "info", sink);
  log.info({ headers: { authorization: "Bearer s3cret", cookie: "s3cret" } }, "request");
  log.info({
    req: { headers: { authorization: "s3cret" } },
    client_secret: "s3cret",
    payment: { clientSecret: "s3cret" },
  });
  log.warn({ err: new Error("connect failed: postgres://user:s3cret@host:5432/db") }, "lost");
  expect(written).toContain("connect failed");
  expect(written).not.toContain("s3cret");
});
