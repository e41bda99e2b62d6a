import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

/** Who may sign in as operations beside `ops`, as OPS_USERS names them. */
export interface OpsUser {
  readonly name: string;
  /** `look` sees everything and changes nothing. */
  readonly role: "look" | "act";
  readonly hash: ScryptHash;
}

interface ScryptHash {
  /** The cost: the binary logarithm of N, the block size, how many at a time (RFC 7914). */
  readonly ln: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly digest: Buffer;
}

/**
 * 32 MB and a tenth of a second for each guess. https://cheatsheetseries.owasp.org, 2^17 at most
 */
const usual = { ln: 15, r: 8, p: 1 };
const leastCost = 14;
const mostCost = 17; // four times as much memory as the usual, for every sign-in
const digestBytes = 32;

/**
 * Reads `name:role:hash`, comma-separated; a hash is a PHC string, which has commas of its own:
 * `$scrypt$ln=15,r=8,p=1$<salt>$<digest>`.
 * https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
 * @returns one line for each problem, without the hash; where there are none, the users
 */
export function readOpsUsers(setting: string): { users: readonly OpsUser[]; problems: readonly string[] } {
  const users: OpsUser[] = [];
  const problems: string[] = [];
  const entries = setting.trim() === "" ? [] : setting.split(/,(?=[^,:$]*:)/);
  for (const entry of entries.map((text) => text.trim())) {
    const [name = "", role = "", text = ""] = entry.split(":");
    const problem = (what: string) => problems.push(`OPS_USERS: the entry of ${showName(name)} ${what}`);
    const hash = readHash(text);
    if (!/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(name)) problem("has no name of letters, digits, dots, dashes or @");
    else if (name === "ops") problem("takes the name of the user with OPS_PASSWORD");
    else if (users.some((user) => user.name === name)) problem("is there twice");
    else if (role !== "look" && role !== "act") problem("has neither the role look nor act");
    else if (hash === null) problem("has no scrypt hash as npm run ops-user prints it");
    else if (hash.ln < leastCost || hash.ln > mostCost || hash.r < 8 || hash.r > 16 || hash.p > 4) {
      problem(`has a hash whose cost is not within ln ${leastCost} to ${mostCost}, r 8 to 16, p 1 to 4`);
    } else users.push({ name, role, hash });
  }
  return { users, problems };
}

/** The setting may be anything, a secret in the wrong variable included. */
function showName(name: string): string {
  return /^[\w.@-]{1,64}$/.test(name) ? name : "somebody";
}

function readHash(text: string): ScryptHash | null {
  const match =
    /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{16,128})\$([A-Za-z0-9+/]{43,128})$/.exec(text);
  if (!match) return null;
  const [ln = 0, r = 0, p = 0] = match.slice(1, 4).map(Number);
  const [salt, digest] = match.slice(4, 6).map((part) => Buffer.from(part, "base64"));
  return salt && digest ? { ln, r, p, salt, digest } : null;
}

/** A new password's hash, as OPS_USERS has it. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const digest = await derive(password, { ...usual, salt, digest: Buffer.alloc(digestBytes) });
  const { ln, r, p } = usual;
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(digest)}`;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}

/** Whether it is the password; takes the same time whether or not. */
export async function verifyPassword(password: string, hash: ScryptHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, hash), hash.digest);
}

/**
 * What somebody is compared with whom nobody knows: it takes as long, so that no name can be
 * guessed.
 */
export function nobodysHash(users: readonly OpsUser[]): ScryptHash {
  const { ln, r, p } = users[0]?.hash ?? usual;
  return { ln, r, p, salt: randomBytes(16), digest: randomBytes(digestBytes) };
}

function derive(password: string, { ln, r, p, salt, digest }: ScryptHash): Promise<Buffer> {
  const cost = { N: 2 ** ln, r, p, maxmem: 256 * 2 ** ln * r };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, digest.length, cost, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
