import { appendFile, cp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { giveTo, serverAccount } from "@holdfast/infra/local/account.ts";
import { localPassword } from "@holdfast/infra/local/local-password.ts";
import type { LocalServer } from "@holdfast/infra/local/local-server.ts";
import { ownFolder } from "@holdfast/infra/local/own-folder.ts";
import { reachableBinaries, servePostgres, startPostgres } from "@holdfast/infra/local/postgres.ts";
import { applicationRole, runSingleUser } from "@holdfast/infra/local/postgres-roles.ts";
import { childEnded } from "@holdfast/infra/local/processes.ts";
import { type Database, openDatabase } from "@holdfast/shared/database.ts";
import { sql } from "kysely";
import { type CuttableProxy, cuttableProxy } from "./cuttable-proxy.ts";
import { eventually } from "./world.ts";

/** A Postgres and a streaming standby of it, on the loopback interface. */
export interface PostgresPair {
  /** An address that leads to the primary, whichever that is. */
  readonly url: string;
  readonly primaryUrl: string;
  readonly standbyUrl: string;
  /** What the standby replays: it can be made to lag, or cut off. */
  readonly link: CuttableProxy;
  readonly standby: Database;
  /** Waits until the standby has all that the primary has committed. */
  caughtUp(): Promise<void>;
  killPrimary(): Promise<void>;
  /** The standby becomes a primary; the address is not moved. */
  promote(): Promise<void>;
  /**
   * New connections to the address lead to the standby from now on; the others break, or hear
   * nothing any more.
   */
  moveAddress(others?: "break" | "silent"): Promise<void>;
  killStandby(): Promise<void>;
  close(): Promise<void>;
}

const fast = ["fsync=off"]; // the crash of a process loses nothing by it

/** @param synchronous whether a commit waits until the standby has it */
export async function startPostgresPair(directory: string, { synchronous = false } = {}): Promise<PostgresPair> {
  const account = await serverAccount();
  const { postgres } = await reachableBinaries(account);
  const [one, other] = [join(directory, "one"), join(directory, "other")];
  await (await startPostgres(one, { settings: fast })).stop();
  const password = await localPassword(one);
  const data = join(one, "data");
  await runSingleUser(postgres, account, data, [`alter role ${applicationRole} replication`]);
  await appendFile(join(data, "pg_hba.conf"), `host replication ${applicationRole} 127.0.0.1/32 scram-sha-256\n`);
  await ownFolder(other, account, account ? 0o711 : 0o700);
  const copy = join(other, "data");
  await cp(data, copy, { recursive: true }); // its server is stopped: that is a base backup

  const names = synchronous ? ["synchronous_standby_names=*", "synchronous_commit=on"] : [];
  const primary = await servePostgres(account, postgres, data, password, { settings: [...fast, ...names] });
  const link = await cuttableProxy("127.0.0.1", Number(new URL(primary.url).port));
  const conninfo = `host=127.0.0.1 port=${link.address.split(":")[1]} user=${applicationRole} password=${password}`;
  await writeFile(join(copy, "standby.signal"), "");
  await appendFile(join(copy, "postgresql.auto.conf"), `primary_conninfo = '${conninfo}'\n`);
  await rm(join(copy, "postmaster.pid"), { force: true });
  await giveTo(account, copy);
  const standbyServer = await servePostgres(account, postgres, copy, password, {
    settings: [...fast, "wal_retrieve_retry_interval=200ms"],
  });
  const [primaryDb, standby] = [primary, standbyServer].map(({ url }) => openDatabase(url, 2, () => {})) as [
    Database,
    Database,
  ];
  const portOf = ({ url }: LocalServer) => Number(new URL(url).port);
  let leadsTo = portOf(primary);
  const proxy = await cuttableProxy("127.0.0.1", () => leadsTo);
  const address = new URL(primary.url);
  address.port = proxy.address.split(":")[1] ?? "";
  const kill = async ({ process }: LocalServer) => {
    process.kill("SIGQUIT"); // at once, its children too, as in a crash: nothing is written down
    await childEnded(process, 5_000);
  };
  const caughtUp = async () => {
    const { rows } = await sql<{ lsn: string }>`select pg_current_wal_lsn()::text as lsn`.execute(primaryDb);
    await eventually("the standby has caught up", async () => {
      const asked = sql<{ done: boolean | null }>`select pg_last_wal_replay_lsn() >= ${rows[0]?.lsn}::pg_lsn as done`;
      return (await asked.execute(standby)).rows[0]?.done === true;
    });
  };
  await caughtUp();
  return {
    url: address.href,
    primaryUrl: primary.url,
    standbyUrl: standbyServer.url,
    link,
    standby,
    caughtUp,
    killPrimary: () => kill(primary),
    async promote() {
      // What `pg_ctl promote` does, which this package does not always bring.
      const file = join(copy, "promote.new");
      await writeFile(file, "");
      await giveTo(account, file);
      await rename(file, join(copy, "promote")); // Postgres may take it before it is told to look
      standbyServer.process.kill("SIGUSR1");
      await eventually("the standby is a primary", async () => {
        const asked = sql<{ standby: boolean }>`select pg_is_in_recovery() as standby`.execute(standby);
        return (await asked).rows[0]?.standby === false;
      });
    },
    async moveAddress(others = "break") {
      leadsTo = portOf(standbyServer);
      if (others === "silent") return proxy.abandon();
      await proxy.cut();
      await proxy.mend();
    },
    killStandby: () => kill(standbyServer),
    async close() {
      await Promise.all([primaryDb.destroy(), standby.destroy()]);
      await Promise.all([primary.stop(), standbyServer.stop()]);
      await Promise.all([proxy.close(), link.close()]);
    },
  };
}
