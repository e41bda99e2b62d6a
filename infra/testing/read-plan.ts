/** A node of EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON), as far as it says what was read. */
export interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Index Recheck"?: number;
  readonly "Shared Hit Blocks"?: number;
  readonly "Shared Read Blocks"?: number;
  readonly Plans?: readonly PlanNode[];
}

export interface Explained {
  readonly Plan: PlanNode;
}

export interface ReadRows {
  /** Rows that were looked at, whether or not they were wanted. */
  readonly rows: number;
  /**
   * Pages of tables and indexes that were looked at for them: an index that is read from end to end
   * for one row shows here.
   */
  readonly pages: number;
  /** Tables that were read from end to end. */
  readonly seqScans: readonly string[];
  readonly indexes: readonly string[];
}

/** What a statement read of these tables. */
export function readPlan(plan: PlanNode, tables: readonly string[]): ReadRows {
  const scans = [...nodesOf(plan)].filter((node) => isScanOf(node, tables));
  const sum = (value: (node: PlanNode) => number) => scans.reduce((total, node) => total + value(node), 0);
  return {
    rows: sum(rowsOf),
    pages: sum((node) => (node["Shared Hit Blocks"] ?? 0) + (node["Shared Read Blocks"] ?? 0)),
    seqScans: scans.flatMap((node) => (node["Node Type"] === "Seq Scan" ? [node["Relation Name"] ?? ""] : [])),
    indexes: scans.flatMap((node) => node["Index Name"] ?? []),
  };
}

function* nodesOf(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const child of node.Plans ?? []) yield* nodesOf(child);
}

/** A scan of a bitmap's index names no table: it counts in any case. */
function isScanOf(node: PlanNode, tables: readonly string[]): boolean {
  const table = node["Relation Name"];
  return (
    node["Node Type"] === "Bitmap Index Scan" || (node["Node Type"].endsWith("Scan") && tables.includes(table ?? ""))
  );
}

/** EXPLAIN tells the rows of one loop, on average. */
function rowsOf(node: PlanNode): number {
  const { "Rows Removed by Filter": filtered = 0, "Rows Removed by Index Recheck": rechecked = 0 } = node;
  return Math.round((node["Actual Rows"] + filtered + rechecked) * node["Actual Loops"]);
}
