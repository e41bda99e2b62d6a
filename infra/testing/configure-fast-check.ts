import fc from "fast-check";
import { seedFrom } from "./seeds.ts";

// Properties that name no seed of their own; fast-check prints it where one fails.
fc.configureGlobal({ seed: seedFrom(process.env.SEED) });
