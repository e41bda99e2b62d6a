import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Account, workingFolder } from "./account.ts";
import { postgresFailure } from "./postgres-failure.ts";
import { childEnded } from "./processes.ts";

/**
 * Whom everything of ours connects as. It owns the database and its tables, and is no superuser: it
 * gets to no file of the machine.
 */
export const applicationRole = "holdfast_app";

export interface RoleOptions {
  readonly password: string;
  /** For the tests, each of which has a database of its own. */
  readonly createDatabases: boolean;
}

/**
 * Lets one role connect, by password, and nobody else: not the superuser, who has none and is not
 * let in over the network at all. Done while the server is stopped, and only where it is not done
 * yet: for a new cluster, one of an earlier version that trusted every local user, or after the
 * password was lost. A crash in between has it done again.
 */
export async function setUpRoles(
  postgres: string,
  account: Account | null,
  data: string,
  role: RoleOptions,
): Promise<void> {
  const file = join(data, "pg_hba.conf");
  const state = createHash("sha256")
    .update(JSON.stringify([1, role.password, role.createDatabases]))
    .digest("hex");
  const rules = `# Holdfast ${state}\nhost all ${applicationRole} 127.0.0.1/32 scram-sha-256\n`;
  if ((await readFile(file, "utf8").catch(() => "")) === rules) return;
  await runSingleUser(postgres, account, data, statements(role));
  await writeAs(account, `${file}.new`, rules);
  await rename(`${file}.new`, file);
}

/**
 * Writes a file in the account's own folder, where it may have put a link to another file by this
 * name.
 */
async function writeAs(account: Account | null, path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, "wx", 0o600); // a new file, or none: a link is not followed
  try {
    await file.writeFile(text);
    if (account) await file.chown(account.uid, account.gid);
  } finally {
    await file.close();
  }
}

function statements({ password, createDatabases }: RoleOptions): string[] {
  const databases = createDatabases ? "createdb" : "nocreatedb";
  return [
    `do $$ begin
      if not exists (select from pg_roles where rolname = '${applicationRole}') then create role ${applicationRole}; end if;
    end $$`,
    `alter role ${applicationRole} with login nosuperuser ${databases} nocreaterole noreplication password '${password}'`,
    `alter database postgres owner to ${applicationRole}`,
    // Until now the superuser made the tables. What belongs to a table goes along with it.
    `do $$ declare statement text; begin
      for statement in
        select format('alter %s %s owner to ${applicationRole}', case relkind when 'v' then 'view' else 'table' end, oid::regclass)
          from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')
        union all
        select format('alter function %s owner to ${applicationRole}', oid::regprocedure)
          from pg_proc where pronamespace = 'public'::regnamespace
        union all
        select format('alter type %s owner to ${applicationRole}', oid::regtype)
          from pg_type where typnamespace = 'public'::regnamespace and typtype in ('e', 'd')
      loop execute statement; end loop;
    end $$`,
  ];
}

const timeoutMs = 30_000; // it takes half a second; recovery after a crash may take more

/** Runs statements as the superuser in a server of one session, which listens to nobody. */
export async function runSingleUser(
  postgres: string,
  account: Account | null,
  data: string,
  sql: readonly string[],
): Promise<void> {
  const dataPath = await workingFolder(account, data);
  const args = ["--single", "-j", "-D", dataPath, "-c", "exit_on_error=on", "postgres"];
  const server = spawn(postgres, args, { ...account, cwd: data, stdio: ["pipe", "ignore", "pipe"] });
  server.on("error", () => {}); // the exit code says it, too
  let output = "";
  server.stderr.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4_000);
  });
  server.stdin.on("error", () => {}); // it ended early, and says why
  server.stdin.end(sql.map((statement) => `${statement};\n\n`).join(""));
  await childEnded(server, timeoutMs);
  if (server.exitCode !== 0) throw new Error(`Postgres' roles could not be set up: ${postgresFailure(output)}`);
}
