/**
 * What a browser may do on our pages: everything from us and nothing inline, so that a script that
 * got into a text stays text.
 * @param connectTo another address that the storefront's script asks
 */
export function contentSecurityPolicy(connectTo: string | null) {
  return {
    "default-src": ["'self'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "font-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "connect-src": ["'self'", ...(connectTo ? [connectTo] : [])],
    "frame-ancestors": ["'none'"],
    "upgrade-insecure-requests": null, // a trial runs without TLS
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
