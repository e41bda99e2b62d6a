import type { ChildProcess } from "node:child_process";

/** A Postgres or Redis that this program started, and how to end it. */
export interface LocalServer {
  readonly name: string;
  /** Whose program it is. */
  readonly origin: string;
  readonly url: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}
