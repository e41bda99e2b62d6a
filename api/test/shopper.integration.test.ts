import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { createTestApi, shopperAuthorization, type TestApi, testJwtSecret } from "@holdfast/testing/api.ts";
import { createWorld, type World } from "@holdfast/testing/world.ts";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const secret = new TextEncoder().encode(testJwtSecret);
const sign = (claims: Record<string, unknown>, key = secret, alg = "HS256") =>
  new SignJWT(claims).setProtectedHeader({ alg }).sign(key);
const inAnHour = () => Math.floor(Date.now() / 1000) + 3_600;
const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
/**
 * A token under the right secret, whatever it says: for what a well-made library would not sign.
 */
const signByHand = (header: object, claims: unknown) => {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${input}.${createHmac("sha256", testJwtSecret).update(input).digest("base64url")}`;
};
/** Header and claims of a token that nobody signed. */
const forged = (header: object, sub = "ann") => `${encode(header)}.${encode({ sub, exp: inAnHour() })}`;
const withClaims = (authorization: string, sub: string) =>
  authorization.replace(/\.[^.]*\./, `.${encode({ sub, exp: inAnHour() })}.`);
const signWithOwnKey = async ({ embedded = false, url = "" }) => {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const header = {
    alg: "RS256",
    ...(embedded && { jwk: await exportJWK(publicKey) }),
    ...(url && { jku: url, x5u: url }),
  };
  return new SignJWT({ sub: "ann", exp: inAnHour() }).setProtectedHeader(header).sign(privateKey);
};

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
    ["alg NoNe, with a signature that is empty", () => `Bearer ${forged({ alg: "NoNe" })}.`],
    ["the right signature cut off", async () => (await shopperAuthorization("ann")).replace(/[^.]*$/, "")],
    ["claims that were changed after signing", async () => withClaims(await shopperAuthorization("ann"), "ben")],
    [
      "HS512 under the right secret",
      async () => `Bearer ${await sign({ sub: "ann", exp: inAnHour() }, secret, "HS512")}`,
    ],
    ["RS256, with a key of one's own", async () => `Bearer ${await signWithOwnKey({})}`],
    ["RS256, with a key that the token brings along", async () => `Bearer ${await signWithOwnKey({ embedded: true })}`],
    ["a crit that nobody knows", async () => `Bearer ${forged({ alg: "HS256", crit: ["x"], x: 1 })}.AAAA`],
    [
      "signed with another secret",
      async () => shopperAuthorization("ann", "another secret and of the same length too"),
    ],
    [
      "a crit that nobody knows, signed with the right secret",
      async () => `Bearer ${signByHand({ alg: "HS256", crit: ["x"], x: 1 }, { sub: "ann", exp: inAnHour() })}`,
    ],
    ["claims that are no object", () => `Bearer ${signByHand({ alg: "HS256" }, null)}`],
    ["an exp that is no time", () => `Bearer ${signByHand({ alg: "HS256" }, { sub: "ann", exp: "tomorrow" })}`],
    ["an exp beyond all dates", () => `Bearer ${signByHand({ alg: "HS256" }, { sub: "ann", exp: -1e300 })}`],
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

  test("of another issuer or for another audience is refused where ours are set, under the shared secret too", async () => {
    const ours = await createTestApi(world, { JWT_ISSUER: "https://id.example", JWT_AUDIENCE: "shop" });
    const statusOf = async (claims: object) =>
      (await ordersWith(`Bearer ${await sign({ sub: "ann", exp: inAnHour(), ...claims })}`, ours)).statusCode;
    expect(await statusOf({ iss: "https://id.example", aud: ["shop", "more"] })).toBe(200);
    expect(await statusOf({ iss: "https://id.example", aud: "wiki" })).toBe(401);
    expect(await statusOf({ iss: "https://other.example", aud: "shop" })).toBe(401);
    expect(await statusOf({})).toBe(401);
    const guest = (await ours.app.inject({ method: "POST", url: "/sessions" })).json<{ token: string }>();
    expect((await ordersWith(`Bearer ${guest.token}`, ours)).statusCode).toBe(200);
    await ours.close();
  });

  test("is good under both secrets while one replaces the other, and the first one signs", async () => {
    const replaced = "the secret that was used before and is as long";
    const rotating = await createTestApi(world, { JWT_SECRET: `${testJwtSecret}, ${replaced}` });
    expect((await ordersWith(await shopperAuthorization("ann"), rotating)).statusCode).toBe(200);
    expect((await ordersWith(await shopperAuthorization("ann", replaced), rotating)).statusCode).toBe(200);
    const stranger = await shopperAuthorization("ann", "another secret and of the same length too");
    expect((await ordersWith(stranger, rotating)).statusCode).toBe(401);
    const guest = (await rotating.app.inject({ method: "POST", url: "/sessions" })).json<{ token: string }>();
    expect((await ordersWith(`Bearer ${guest.token}`)).statusCode).toBe(200); // where only the first one is known
    await rotating.close();
  });

  describe("with published keys", () => {
    const ours = { iss: "https://id.example", aud: "shop" };
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
        JWT_ISSUER: ours.iss,
        JWT_AUDIENCE: ours.aud,
      });
    });
    afterAll(async () => {
      await publishing.close();
      server.close();
    });

    test("a token signed with one of them is good", async () => {
      const token = await new SignJWT({ sub: "ann", exp: inAnHour(), ...ours })
        .setProtectedHeader({ alg: "ES256", kid: "k1" })
        .sign((await keys).privateKey);
      expect((await ordersWith(`Bearer ${token}`, publishing)).statusCode).toBe(200);
    });

    test("a token that the same provider issued for another application is refused", async () => {
      for (const claims of [{ ...ours, aud: "wiki" }, { ...ours, iss: "https://other.example" }, {}]) {
        const token = await new SignJWT({ sub: "ann", exp: inAnHour(), ...claims })
          .setProtectedHeader({ alg: "ES256", kid: "k1" })
          .sign((await keys).privateKey);
        expect((await ordersWith(`Bearer ${token}`, publishing)).statusCode).toBe(401);
      }
    });

    test("the public key is no HS256 secret: a token cannot choose how it is checked", async () => {
      const publicKey = JSON.stringify(await exportJWK((await keys).publicKey));
      const token = await new SignJWT({ sub: "ann", exp: inAnHour(), ...ours })
        .setProtectedHeader({ alg: "HS256", kid: "k1" })
        .sign(new TextEncoder().encode(publicKey));
      expect((await ordersWith(`Bearer ${token}`, publishing)).statusCode).toBe(401);
    });

    test("nor is it as PEM or DER, as libraries keep it", async () => {
      const { publicKey } = await keys;
      const pem = await exportSPKI(publicKey);
      const der = Buffer.from(pem.replace(/-----.*-----|\n/g, ""), "base64");
      for (const bytes of [Buffer.from(pem), Buffer.from(pem.trim()), der]) {
        for (const alg of ["HS256", "HS384", "HS512"]) {
          const token = await new SignJWT({ sub: "ann", exp: inAnHour(), ...ours })
            .setProtectedHeader({ alg, kid: "k1" })
            .sign(new Uint8Array(bytes));
          expect((await ordersWith(`Bearer ${token}`, publishing)).statusCode).toBe(401);
        }
      }
    });

    test("a token that names keys of its own is refused, and nobody is asked for them", async () => {
      let asked = 0;
      const stranger = createServer((_request, response) => {
        asked += 1;
        response.end("{}");
      });
      await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
      const url = `http://127.0.0.1:${(stranger.address() as { port: number }).port}/keys`;
      for (const server of [api, publishing]) {
        expect((await ordersWith(`Bearer ${await signWithOwnKey({ url })}`, server)).statusCode).toBe(401);
      }
      expect(asked).toBe(0);
      stranger.close();
    });

    test("a token under the shared secret of another server, or alg none, is refused here as well", async () => {
      expect((await ordersWith(await shopperAuthorization("ann"), publishing)).statusCode).toBe(401);
      expect((await ordersWith(`Bearer ${forged({ alg: "none" })}.`, publishing)).statusCode).toBe(401);
    });

    test("while their server is sick, a token under a key that only it could tell of is 503, and not refused", async () => {
      const sick = createServer((_request, response) => response.writeHead(500).end());
      await new Promise<void>((resolve) => sick.listen(0, "127.0.0.1", resolve));
      const { port } = sick.address() as { port: number };
      const JWKS_URL = `http://127.0.0.1:${port}/keys`;
      const env = { JWT_SECRET: "", GUEST_SESSIONS: "off", JWKS_URL, JWT_ISSUER: ours.iss, JWT_AUDIENCE: ours.aud };
      const waiting = await createTestApi(world, env);
      const token = await new SignJWT({ sub: "ann", exp: inAnHour(), ...ours })
        .setProtectedHeader({ alg: "ES256", kid: "k1" })
        .sign((await keys).privateKey);
      const response = await ordersWith(`Bearer ${token}`, waiting);
      expect(response.json()).toMatchObject({ status: 503, code: "unavailable" });
      expect(response.headers["retry-after"]).toBeDefined();
      await waiting.close();
      sick.close();
    });

    test("a key that is not among them is refused", async () => {
      const stranger = await generateKeyPair("ES256");
      const token = await new SignJWT({ sub: "ann", exp: inAnHour(), ...ours })
        .setProtectedHeader({ alg: "ES256", kid: "k1" })
        .sign(stranger.privateKey);
      expect((await ordersWith(`Bearer ${token}`, publishing)).statusCode).toBe(401);
    });
  });
});
