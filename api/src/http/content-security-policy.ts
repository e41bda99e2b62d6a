/**
 * What a browser may do on our pages: everything from us and nothing inline, so that a script that
 * got into a text stays text.
 */
export const contentSecurityPolicy = {
  "default-src": ["'self'"],
  "script-src": ["'self'"],
  "style-src": ["'self'"],
  "img-src": ["'self'"],
  "connect-src": ["'self'"],
  "frame-ancestors": ["'none'"],
  "upgrade-insecure-requests": null, // a trial runs without TLS
};

/**
 * The storefront's: with real cards it lets in what Stripe's script needs, and no more.
 * https://docs.stripe.com/security/guide#content-security-policy
 * @param simulatorUrl the payment simulator, which takes Stripe's place in a trial
 */
export function storefrontPolicy(simulatorUrl: string | null, realCards: boolean) {
  const script = simulatorUrl ? [simulatorUrl] : ["https://js.stripe.com", "https://*.js.stripe.com"];
  const frames = simulatorUrl ? script : [...script, "https://hooks.stripe.com"];
  const connect = simulatorUrl ? script : ["https://api.stripe.com"];
  return {
    ...contentSecurityPolicy,
    "script-src": ["'self'", ...(realCards ? script : [])],
    "frame-src": realCards ? frames : ["'none'"],
    "connect-src": ["'self'", ...(realCards || simulatorUrl ? connect : [])],
  };
}

/**
 * For pages that others wrote, the API description and the queue dashboard: they style themselves
 * inline; scripts are as strict.
 */
export const foreignPagePolicy = [
  "default-src 'self'",
  "script-src 'self'",
  "script-src-attr 'none'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join(";");
