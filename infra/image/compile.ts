import { enableCompileCache, flushCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

/**
 * Fills the cache of compiled modules while the image is built: where `main.ts` looks for it, which
 * cannot be written in a container.
 */
enableCompileCache(fileURLToPath(new URL("../../node_modules/.cache/compiled", import.meta.url)));
for (const program of ["api", "worker"]) await import(`../../${program}/src/run.ts`);
flushCompileCache();
process.exit(0);
