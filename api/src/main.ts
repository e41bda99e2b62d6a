import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// Before anything else is loaded: what was compiled at an earlier start is not compiled again.
// Beside the modules it is made of, since anybody could write into a folder for temporary files;
// where it cannot be written, there is none.
enableCompileCache(fileURLToPath(new URL("../../node_modules/.cache/compiled", import.meta.url)));
const { run } = await import("./run.ts");
await run();
