import type { Logger } from "@holdfast/shared/log.ts";
import type { App } from "./fastify-app.ts";

/**
 * Says once, in the log, that requests come through a proxy that nobody told us to trust: to the
 * limits per address all shoppers behind it are one, and so are all who guess operations' password.
 */
export function noticeForwarded(app: App, trustedProxy: string | undefined, log: Logger): void {
  if (trustedProxy !== undefined) return;
  let noticed = false;
  app.addHook("onRequest", (request, _reply, done) => {
    if (!noticed && request.headers["x-forwarded-for"] !== undefined) {
      noticed = true;
      log.warn(
        "A request came with X-Forwarded-For, which is not believed: if a proxy of yours is in front of this server, name it in " +
          "TRUST_PROXY, or all who come through it share one address and its limits",
      );
    }
    done();
  });
}
