import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createShopWorld, type ShopWorld } from "./shop-world.ts";

describe("a shop behind https", () => {
  let world: ShopWorld;
  let server: Server;
  const before = getCACertificates("default");
  beforeEach(async () => {
    world = await createShopWorld();
    await world.reserve(1);
  });
  afterEach(async () => {
    setDefaultCACertificates(before);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await world.close();
  });

  /** Starts it with a certificate of its own for this name. @returns the certificate */
  const start = async (name: string) => {
    const read = (kind: string) => readFile(new URL(`certificates/${name}.${kind}`, import.meta.url), "utf8");
    const [key, cert] = [await read("key"), await read("cert")];
    server = createServer({ key, cert }, (_request, response) => response.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return cert;
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
