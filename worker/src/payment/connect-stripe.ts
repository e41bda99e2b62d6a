import Stripe from "stripe";
import type { WorkerConfig } from "../config.ts";
import type { AwaitTurn } from "./provider-rate.ts";
import type { ProviderWatch } from "./watch-provider.ts";

type HttpClient = ReturnType<typeof Stripe.createNodeHttpClient>;

/**
 * The SDK with its bounds set on purpose; without STRIPE_API_BASE it talks to Stripe itself.
 * @param awaitTurn what every request waits for before it leaves
 * @param watch is given what came of every request
 */
export function connectStripe(
  config: { readonly STRIPE_SECRET_KEY: string } & Pick<WorkerConfig, "STRIPE_API_BASE">,
  awaitTurn: AwaitTurn = async () => {},
  watch: Pick<ProviderWatch, "note"> = { note: () => {} },
): Stripe {
  const base = config.STRIPE_API_BASE ? new URL(config.STRIPE_API_BASE) : null;
  return new Stripe(config.STRIPE_SECRET_KEY, {
    timeout: 7_000, // a charge takes one to three seconds; longer is an unknown outcome, and a worker has to stop within ten
    maxNetworkRetries: 0, // a repeat is the queue's to make, within the rate limit and with backoff
    httpClient: inTurn(watched(withoutHiddenRetries(Stripe.createNodeHttpClient()), watch), awaitTurn),
    telemetry: false,
    ...(base && {
      host: base.hostname,
      port: base.port || (base.protocol === "https:" ? 443 : 80),
      protocol: base.protocol === "https:" ? "https" : "http",
    }),
  });
}

/** Whether charges under this key move money: https://docs.stripe.com/keys */
export function isLiveKey(key: string): boolean {
  return /^(sk|rk)_live_/.test(key);
}

/** Here, and not where calls are made: so no call can forget to be counted. */
function inTurn(client: HttpClient, awaitTurn: AwaitTurn): HttpClient {
  const makeRequest = client.makeRequest.bind(client);
  client.makeRequest = async (...request) => {
    await awaitTurn();
    return makeRequest(...request);
  };
  return client;
}

/** Here, and not where calls are made: so no call can forget to be watched. */
function watched(client: HttpClient, watch: Pick<ProviderWatch, "note">): HttpClient {
  const makeRequest = client.makeRequest.bind(client);
  client.makeRequest = async (...request) => {
    const sentAtMs = performance.now();
    const [, , path, method] = request;
    try {
      const response = await makeRequest(...request);
      const status = response.getStatusCode();
      if (status < 400) {
        watch.note(status, "", sentAtMs);
        return response;
      }
      // What it says is in the body, which the SDK reads once.
      const toJSON = response.toJSON.bind(response);
      response.toJSON = async () => {
        const body = await toJSON().catch((error: unknown) => {
          watch.note(status, `the answer was ${status}`, sentAtMs);
          throw error;
        });
        const error = saidIn(body);
        const refusesUs = method === "POST" && path === "/v1/payment_intents" && isOurFault(status, error);
        watch.note(status, error.message ?? `the answer was ${status}`, sentAtMs, refusesUs);
        return body;
      };
      return response;
    } catch (error) {
      watch.note(null, (error as Error).message, sentAtMs);
      throw error;
    }
  };
  return client;
}

interface Said {
  readonly type?: string;
  readonly code?: string;
  readonly param?: string;
  readonly message?: string;
}

function saidIn(body: unknown): Said {
  return (body as { error?: Said } | null)?.error ?? {};
}

/** Of a charge: refused whoever pays, such as a currency that is not activated. */
function isOurFault(status: number, { type, code, param }: Said): boolean {
  if ((status !== 400 && status !== 404) || type !== "invalid_request_error") return false;
  return param !== "payment_method" && param !== "confirmation_token" && code !== "payment_intent_unexpected_state";
}

/**
 * The SDK repeats a request at once when its connection breaks, whatever `maxNetworkRetries` says,
 * going by the error's code.
 */
function withoutHiddenRetries(client: HttpClient): HttpClient {
  const makeRequest = client.makeRequest.bind(client);
  client.makeRequest = (...request) =>
    makeRequest(...request).catch((error: Error & { code?: string }) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") throw error;
      throw Object.assign(new Error(`The connection broke (${error.code})`), { code: "CONNECTION_BROKEN" });
    });
  return client;
}
