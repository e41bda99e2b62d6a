import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import { hashPassword, readOpsUsers } from "./ops-users.ts";

/**
 * `npm run ops-user -- <name> <look|act>`: asks for a password and prints the entry for OPS_USERS.
 */

const usage = "npm run ops-user -- <name> <look|act>   reads a password and prints the entry for OPS_USERS";
const leastLength = 12;

try {
  const [name = "", role = "", ...others] = process.argv.slice(2);
  if (name === "--help") process.stdout.write(`${usage}\n`);
  else if (role === "" || others.length > 0) throw new Error(usage);
  else await run(name, role);
} catch (error) {
  reportStartFailure("ops-user", error);
}

async function run(name: string, role: string): Promise<void> {
  const problemsOf = (hash: string) => readOpsUsers(`${name}:${role}:${hash}`).problems;
  // Before somebody thinks of a password for nothing.
  const [problem] = problemsOf(await hashPassword("a password to try the name with"));
  if (problem !== undefined) throw new Error(problem);
  const password = await readPassword();
  if (password.length < leastLength) throw new Error(`The password must have ${leastLength} characters or more`);
  process.stdout.write(`${name}:${role}:${await hashPassword(password)}\n`);
}

/** A line of the input; on a terminal, what is typed is not shown. */
async function readPassword(): Promise<string> {
  const terminal = process.stdin.isTTY === true;
  if (terminal) process.stderr.write("Password: ");
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal });
  try {
    for await (const line of lines) return line;
    return "";
  } finally {
    lines.close();
    if (terminal) process.stderr.write("\n");
  }
}
