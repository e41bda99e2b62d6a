import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestApi, shopperAuthorization, type TestApi, testJwtSecret } from "../../infra/testing/api.ts";
import { createWorld, type World } from "../../infra/testing/world.ts";

const secret = new TextEncoder().encode(testJwtSecret);
const sign = (claims: Record<string, unknown>, key = secret) =>
  new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(key);
const inAnHour = () => Math.floor(Date.now() / 1000) + 3_600;

describe("a shopper's token", () => {
  let world: World;
  let api: TestApi;
  beforeAll(async () => {
    world = await createWorld();
    api = await createTestApi(world);
  });
  afterAll(async () => {
    await api.close();
    await world.close();
  });
  const ordersWith = (authorization: string | undefined, { app } = api) =>
    app.inject({ url: "/orders", headers: authorization === undefined ? {} : { authorization } });

  test("that is valid lets its shopper in", async () => {
    expect((await ordersWith(await shopperAuthorization("ann"))).statusCode).toBe(200);
  });

  test.each<[string, () => Promise<string> | string | undefined]>([
    ["none at all", () => undefined],
    ["another scheme", () => "Basic YW5uOnB3"],
    ["not a token", () => "Bearer hello"],
    ["alg none", () => `Bearer ${new UnsecuredJWT({ sub: "ann", exp: inAnHour() }).encode()}`],
    ["signed with another secret", async () => shopperAuthorization("ann", "another secret, of the same length too")],
    ["no sub", async () => `Bearer ${await sign({ exp: inAnHour() })}`],
    ["a sub that is no text", async () => `Bearer ${await sign({ sub: 7, exp: inAnHour() })}`],
    ["an empty sub", async () => `Bearer ${await sign({ sub: "", exp: inAnHour() })}`],
    ["a NUL in the sub", async () => `Bearer ${await sign({ sub: "a\0b", exp: inAnHour() })}`],
    ["half a pair in the sub", async () => `Bearer ${await sign({ sub: "a\ud800", exp: inAnHour() })}`],
    ["a sub of 256 letters", async () => `Bearer ${await sign({ sub: "a".repeat(256), exp: inAnHour() })}`],
    ["past its exp", async () => `Bearer ${await sign({ sub: "ann", exp: inAnHour() - 7_200 })}`],
    ["without exp", async () => `Bearer ${await sign({ sub: "ann" })}`],
    ["not valid yet", async () => `Bearer ${await sign({ sub: "ann", exp: inAnHour(), nbf: inAnHour() - 60 })}`],
  ])("is refused: %s", async (_name, authorization) => {
    const response = await ordersWith(await authorization());
    expect(response.statusCode).toBe(401);
    expect(response.json()).toMatchObject({ code: "unauthenticated", status: 401 });
    expect(response.headers["www-authenticate"]).toBe("Bearer");
  });

  test("a guest session is a token that works", async () => {
    const response = await api.app.inject({ method: "POST", url: "/sessions" });
    expect(response.statusCode).toBe(201);
    const { token, shopperId, expiresAt } = response.json<{ token: string; shopperId: string; expiresAt: string }>();
    expect(shopperId).toMatch(/^guest-/);
    expect(Date.parse(expiresAt)).toBeGreaterThan(Date.now());
    expect((await ordersWith(`Bearer ${token}`)).statusCode).toBe(200);
  });

  test("where guest sessions are off, there are none", async () => {
    const closed = await createTestApi(world, { GUEST_SESSIONS: "off" });
    expect((await closed.app.inject({ method: "POST", url: "/sessions" })).statusCode).toBe(404);
    await closed.close();
  });

  describe("with published keys", () => {
    const keys = generateKeyPair("ES256", { extractable: true });
    let server: ReturnType<typeof createServer>;
    let publishing: TestApi;
    beforeAll(async () => {
      const jwk = { ...(await exportJWK((await keys).publicKey)), kid: "k1", alg: "ES256" };
      server = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk] })));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      publishing = await createTestApi(world, {
        JWT_SECRET: "",
        GUEST_SESSIONS: "off",
        JWKS_URL: `http://127.0.0.1:${port}/keys`,
      });
    });
    afterAll(async () => {
      await publishing.close();
      server.close();
    });

    test("a token signed with one of them is good", async () => {
      const token = await new SignJWT({ sub: "ann", exp: inAnHour() })
        .setProtectedHeader({ alg: "ES256", kid: "k1" })
        .sign((await keys).privateKey);
      expect((await ordersWith(`Bearer ${token}`, publishing)).statusCode).toBe(200);
    });

    test("the public key is no HS256 secret: a token cannot choose how it is checked", async () => {
      const publicKey = JSON.stringify(await exportJWK((await keys).publicKey));
      const token = await new SignJWT({ sub: "ann", exp: inAnHour() })
        .setProtectedHeader({ alg: "HS256", kid: "k1" })
        .sign(new TextEncoder().encode(publicKey));
      expect((await ordersWith(`Bearer ${token}`, publishing)).statusCode).toBe(401);
    });

    test("a key that is not among them is refused", async () => {
      const stranger = await generateKeyPair("ES256");
      const token = await new SignJWT({ sub: "ann", exp: inAnHour() })
        .setProtectedHeader({ alg: "ES256", kid: "k1" })
        .sign(stranger.privateKey);
      expect((await ordersWith(`Bearer ${token}`, publishing)).statusCode).toBe(401);
    });
  });
});
