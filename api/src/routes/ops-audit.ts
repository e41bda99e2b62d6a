import { Type } from "typebox";
import { described, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import { fieldProblem } from "../http/problems.ts";
import { readable } from "../ops/ops-order-schemas.ts";
import { type OpsParts, opsRefusals, opsSecurity as security } from "../ops/ops-parts.ts";
import { pageLimit } from "../orders/page.ts";
import { pageQuery } from "../schemas.ts";

const tags = ["operations"];
const anyObject = Type.Unsafe<object | null>({ type: ["object", "null"], additionalProperties: true });
const auditPage = Type.Object(
  {
    entries: Type.Array(
      Type.Object({
        id: Type.Integer(),
        at: Type.String({ format: "date-time" }),
        operator: Type.String(),
        address: Type.String(),
        action: Type.String(),
        subject: Type.String(),
        before: anyObject,
        after: anyObject,
      }),
    ),
    next: Type.Unsafe<string | null>({ type: ["string", "null"], description: "what `after` takes for the next page" }),
  },
  { title: "AuditPage" },
);
const auditQuery = Type.Object(
  {
    ...pageQuery.properties,
    subject: Type.Optional(
      Type.String({ maxLength: 300, pattern: readable, description: "such as `item kettle`, `order <id>`" }),
    ),
  },
  { additionalProperties: false },
);
const operatorBody = Type.Object(
  { operator: Type.String(), role: Type.String({ enum: ["look", "act"] }) },
  { title: "Operator" },
);

/** Who changed what, and when; and who one is oneself. */
export function opsAuditRoutes(app: App, { db }: OpsParts): void {
  app.get(
    "/api/me",
    {
      schema: {
        operationId: "getOperator",
        summary: "Who one is here, and what one may do",
        tags,
        security,
        response: { 200: described(operatorBody, "the operator"), ...refusals(...opsRefusals) },
      },
    },
    async ({ operator: { name, role } }) => ({ operator: name, role }),
  );
  app.get(
    "/api/audit",
    {
      schema: {
        operationId: "listAudit",
        summary: "Who changed what, when and from where",
        tags,
        security,
        querystring: auditQuery,
        response: { 200: described(auditPage, "newest first"), ...refusals(...opsRefusals, "invalid_request") },
      },
    },
    async (request) => {
      const { limit, after, subject } = request.query;
      const count = pageLimit(limit);
      let query = db.selectFrom("operations_audit").selectAll().orderBy("id", "desc").limit(count);
      if (subject !== undefined) query = query.where("subject", "=", subject);
      if (after !== undefined) query = query.where("id", "<", readAfter(after));
      const entries = (await query.execute()).map(({ at, ...entry }) => ({
        ...entry,
        at: at.toISOString(),
        before: entry.before as object | null,
        after: entry.after as object | null,
      }));
      const last = entries.at(-1);
      return { entries, next: entries.length === count && last ? String(last.id) : null };
    },
  );
}

/** @throws Problem 400 where it is none of ours */
function readAfter(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw fieldProblem("querystring/after", "is not the next of an earlier page");
}
