import type { FastifyInstance, FastifyRequest } from "fastify";
import qs from "qs";
import { apiGate, type GateParts, hasPublishableKey } from "./api-gate.ts";
import { browserToken, type TokenFromBrowser, viewForBrowser } from "./browser-api.ts";
import { type ConfirmParameters, type CreateParameters, requireCard } from "./payment-intents.ts";
import type { Provider } from "./provider.ts";
import type { RefundParameters } from "./refunds.ts";
import { parseSearch } from "./search-query.ts";
import { invalidRequest } from "./stripe-error.ts";

interface ListQuery {
  created?: { gte?: string; lte?: string; lt?: string; gt?: string };
  limit?: string;
  starting_after?: string;
  payment_intent?: string;
  query?: string;
  page?: string;
  expand?: string[];
  client_secret?: string;
}

type Expandable = { expand?: string[] };

/** The part of Stripe's API that a shop of cards needs: https://docs.stripe.com/api */
export function apiRoutes(app: FastifyInstance, provider: Provider, parts: GateParts): void {
  const { get, post } = apiGate(app, parts);
  const { rules } = parts;

  post<CreateParameters & Expandable>("/v1/payment_intents", (_id, { expand = [], ...body }) =>
    provider.expanded(provider.create(body), expand),
  );
  post<ConfirmParameters & Expandable>("/v1/payment_intents/:id/confirm", (id, body) =>
    provider.expanded(provider.confirm(id, body), body.expand ?? []),
  );
  post<{ cancellation_reason?: string } & Expandable>("/v1/payment_intents/:id/cancel", (id, body) =>
    provider.expanded(provider.cancel(id, body.cancellation_reason), body.expand ?? []),
  );
  get("/v1/payment_intents/search", (request) => {
    const { query = "", limit = "10", page = "0", expand = [] } = queryOf(request);
    const found = provider.list(rules.searchLagMs ?? rules.listLagMs).filter(parseSearch(query));
    const end = Number(page) + pageSize(limit);
    const data = found.slice(Number(page), end).map((intent) => provider.expanded(intent, expand));
    const has_more = end < found.length;
    return {
      object: "search_result",
      url: request.url.split("?")[0],
      has_more,
      next_page: has_more ? `${end}` : null,
      data,
    };
  });
  get(
    "/v1/payment_intents/:id",
    (request) => {
      const { client_secret, expand = [] } = queryOf(request);
      if (hasPublishableKey(request)) return viewForBrowser(provider.find(request.params.id), client_secret);
      return provider.expanded(provider.find(request.params.id), expand);
    },
    "both",
  );
  get("/v1/payment_intents", (request) => {
    const query = queryOf(request);
    const list = listOf("/v1/payment_intents", provider.list(rules.listLagMs), query);
    return { ...list, data: list.data.map((intent) => provider.expanded(intent, query.expand ?? [])) };
  });

  post<TokenFromBrowser>(
    "/v1/confirmation_tokens",
    (_id, body) => provider.tokens.create(...browserToken(body, parts.clock.nowMs())),
    "both",
  );
  get("/v1/confirmation_tokens/:id", (request) => provider.tokens.find(request.params.id));
  post<{ payment_method?: string; return_url?: string }>("/v1/test_helpers/confirmation_tokens", (_id, body) => {
    const { payment_method = "", return_url: returnUrl } = body;
    return provider.tokens.create(requireCard(payment_method), { ...(returnUrl && { returnUrl }) });
  });

  post<RefundParameters>("/v1/refunds", (_id, body) => provider.refund(body));
  get("/v1/refunds/:id", (request) => provider.findRefund(request.params.id));
  get("/v1/refunds", (request) => {
    const query = queryOf(request);
    return listOf("/v1/refunds", provider.listRefunds(query.payment_intent), query);
  });
}

/** https://docs.stripe.com/api/pagination */
function listOf<T extends { id: string; created: number }>(url: string, newestFirst: readonly T[], query: ListQuery) {
  const { created = {}, limit = "10", starting_after } = query;
  const within = newestFirst.filter(
    (one) =>
      one.created >= Number(created.gte ?? 0) &&
      one.created > Number(created.gt ?? -1) &&
      one.created <= Number(created.lte ?? Number.MAX_SAFE_INTEGER) &&
      one.created < Number(created.lt ?? Number.MAX_SAFE_INTEGER),
  );
  const start = starting_after ? within.findIndex((one) => one.id === starting_after) + 1 : 0;
  const data = within.slice(start, start + pageSize(limit));
  return { object: "list", url, has_more: start + data.length < within.length, data };
}

function pageSize(limit: string): number {
  const size = Number(limit);
  if (Number.isInteger(size) && size >= 1 && size <= 100) return size;
  throw invalidRequest(`Invalid limit: ${limit}: must be from 1 to 100`, { param: "limit" });
}

function queryOf(request: FastifyRequest): ListQuery {
  return qs.parse(request.url.split("?")[1] ?? "");
}
