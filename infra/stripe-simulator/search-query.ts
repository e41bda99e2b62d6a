import type { PaymentIntent } from "./payment-intents.ts";
import { invalidRequest } from "./stripe-error.ts";

const fields = ["status", "currency", "amount", "created"] as const;
type Field = (typeof fields)[number];

const clause =
  /^\s*(-?)(?:metadata\[(['"])(.+?)\2\]|(\w+))\s*(:|>=|<=|>|<)\s*(?:(['"])(.*?)\6|(\d+))\s*(?:AND\s+|(?=\s)|$)/;

/**
 * Reads a search as far as payments need it (https://docs.stripe.com/search#search-query-language):
 * clauses such as `metadata['orderId']:'…'`, `status:'succeeded'`, `created>1700000000`, all of
 * which have to hold.
 * @throws 400 for what it doesn't know
 */
export function parseSearch(query: string): (intent: PaymentIntent) => boolean {
  const conditions: ((intent: PaymentIntent) => boolean)[] = [];
  for (let rest = query.trim(); rest !== ""; ) {
    const match = clause.exec(rest);
    if (!match) throw invalidRequest("We were unable to parse your search query.", { param: "query" });
    const [whole, minus, , name, field = "", comparison = ":", , text, digits] = match;
    const wanted = text ?? digits ?? "";
    if (name === undefined && !fields.includes(field as Field)) {
      throw invalidRequest(`Field \`${field}\` is an unsupported search field.`, { param: "query" });
    }
    conditions.push((intent) => {
      const value = name === undefined ? intent[field as Field] : intent.metadata[name];
      return holds(value, comparison, wanted) !== (minus === "-");
    });
    rest = rest.slice(whole.length).trim();
  }
  if (conditions.length === 0) throw invalidRequest("Search query cannot be empty.", { param: "query" });
  return (intent) => conditions.every((holdsFor) => holdsFor(intent));
}

function holds(value: string | number | undefined, comparison: string, wanted: string): boolean {
  switch (comparison) {
    case ">":
      return Number(value) > Number(wanted);
    case "<":
      return Number(value) < Number(wanted);
    case ">=":
      return Number(value) >= Number(wanted);
    case "<=":
      return Number(value) <= Number(wanted);
    default:
      return value !== undefined && String(value).toLowerCase() === wanted.toLowerCase();
  }
}
