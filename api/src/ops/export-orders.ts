import { pipeline, Transform } from "node:stream";
import pg from "pg";
import { type CopyToStreamQuery, to } from "pg-copy-streams";

/**
 * Orders as a file: Postgres writes the lines itself (COPY), and they pass through here as they
 * come. So an export takes the same memory whatever its size, and a client that reads slowly holds
 * up nobody but itself.
 */

export type ExportFormat = "csv" | "ndjson";

export interface ExportParts {
  /** Where they are; the first that answers is taken. */
  readonly databaseUrls: readonly string[];
  /** Whose orders; those of all items where it is null. */
  readonly itemId: string | null;
  readonly format: ExportFormat;
}

const statementTimeoutMs = 30 * 60_000; // a slow line and a hundred million rows; whoever is gone is noticed at once
const connectTimeoutMs = 3_000;

/** The names of the JSON contract, each with what Postgres makes of it. */
const columns: readonly (readonly [name: string, value: string])[] = [
  ["id", "id"],
  ["itemId", "item_id"],
  ["shopperId", "shopper_id"],
  ["quantity", "quantity"],
  ["amount", "amount_minor"],
  ["currency", "currency"],
  ["status", "status"],
  ["reason", "reason"],
  ["paymentStatus", "payment_status"],
  ["declineCode", "decline_code"],
  ["paymentIntent", "payment_intent_id"],
  ["refundedAmount", "refunded_minor"],
  ["disputed", "disputed"],
  ["metadata", "metadata"],
  ["placedAt", time("placed_at")],
  ["reservedAt", time("reserved_at")],
  ["settledAt", time("settled_at")],
];

/** ISO 8601 UTC with milliseconds, as everywhere. */
function time(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/**
 * What a spreadsheet would take for a formula comes with an apostrophe before it: a shopper's id
 * and metadata are anybody's text. https://owasp.org/www-community/attacks/CSV_Injection
 */
const fromOutside = new Set(["shopper_id", "metadata"]);

function csvValue([name, value]: (typeof columns)[number]): string {
  const safe = fromOutside.has(value)
    ? `case when left(${value}::text, 1) in ('=', '+', '-', '@', e'\\t', e'\\r') then '''' else '' end || ${value}::text`
    : value;
  return `${safe} as "${name}"`;
}

function jsonValue([name, value]: (typeof columns)[number]): string {
  return `${value} as "${name}"`;
}

/** As CSV with quotes that never occur in JSON: so a line is the value and nothing else. */
const rawLine = `(format csv, delimiter e'\\x01', quote e'\\x02')`;

function copyStatement(format: ExportFormat, itemId: string | null): string {
  const rows = `from orders_ever ${itemId === null ? "" : `where item_id = ${pg.escapeLiteral(itemId)}`} order by item_id, status, placed_at desc, id desc`;
  return format === "csv"
    ? `copy (select ${columns.map(csvValue).join(", ")} ${rows}) to stdout (format csv, header)`
    : `copy (select row_to_json(line)::text from (select ${columns.map(jsonValue).join(", ")} ${rows}) line) to stdout ${rawLine}`;
}

export interface Export {
  readonly stream: Transform;
  /** Ends it, whether or not it was read to its end; frees the connection to Postgres. */
  end(): void;
}

/**
 * Begins an export on a connection of its own. Where it fails midway the stream ends with the
 * error, so that what was read of it never looks complete.
 * @throws where Postgres is unavailable
 */
export async function exportOrders({ databaseUrls, itemId, format }: ExportParts): Promise<Export> {
  const client = await connectFirst(databaseUrls);
  const rows: CopyToStreamQuery = client.query(to(copyStatement(format, itemId)));
  const stream = new Transform({ transform: (chunk, _encoding, done) => done(null, chunk) });
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    // Cut, not asked: a statement that is under way would be carried to its end.
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  };
  pipeline(rows, stream, () => end());
  return { stream, end };
}

async function connectFirst([databaseUrl, ...others]: readonly string[]): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: "holdfast export",
  });
  client.on("error", () => {}); // the stream ends with it
  try {
    await client.connect();
    // Not as the connection begins: a pooler takes no time limits then.
    await client.query(`begin transaction read only; set local statement_timeout = ${statementTimeoutMs}`);
    return client;
  } catch (error) {
    void client.end().catch(() => {});
    if (others.length === 0) throw error;
    return connectFirst(others);
  }
}
