import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createShopWorld, type ShopWorld } from "./shop-world.ts";

describe("a shop behind https", () => {
  let world: ShopWorld;
  let folder: string;
  let server: Server;
  const before = getCACertificates("default");
  beforeEach(async () => {
    world = await createShopWorld();
    folder = await mkdtemp(join(tmpdir(), "holdfast-tls-"));
    await world.reserve(1);
  });
  afterEach(async () => {
    setDefaultCACertificates(before);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
    await world.close();
  });

  /** Starts it with a certificate of its own for this name. @returns the certificate */
  const start = async (name: string) => {
    const [key, cert] = [join(folder, "key"), join(folder, "cert")];
    const subject = ["-subj", "/CN=shop", "-addext", `subjectAltName=DNS:${name}`];
    const made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
    await promisify(execFile)("openssl", ["req", ...made, "-keyout", key, "-out", cert, ...subject]);
    const pem = await readFile(cert, "utf8");
    server = createServer({ key: await readFile(key), cert: pem }, (_request, response) => response.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return pem;
  };
  const deliver = async () => {
    const url = new URL(`https://localhost:${(server.address() as AddressInfo).port}/`);
    await world.deliverOnce(world.parts({ url }));
    return (await world.rows())[0];
  };

  test("gets its events where its certificate is trusted and its own", async () => {
    setDefaultCACertificates([...before, await start("localhost")]);
    expect(await deliver()).toMatchObject({ outcome: "delivered" });
  });

  test("gets none with a certificate that nobody vouches for", async () => {
    await start("localhost");
    expect(await deliver()).toMatchObject({ outcome: null, lastError: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  });

  test("gets none with another one's certificate, and the names in that are not kept", async () => {
    setDefaultCACertificates([...before, await start("inside.example")]);
    expect(await deliver()).toMatchObject({ outcome: null, lastError: "ERR_TLS_CERT_ALTNAME_INVALID" });
  });
});
