import { readEnvironment } from "@holdfast/shared/environment.ts";
import { reportStartFailure } from "@holdfast/shared/start-failure.ts";
import closeWithGrace from "close-with-grace";
import { Type } from "typebox";
import { buildSimulator } from "./app.ts";

const variables = Type.Object({
  HOST: Type.String({ default: "127.0.0.1", description: "where to listen" }),
  PORT: Type.Integer({ default: 12111, minimum: 0, maximum: 65535, description: "the port to listen on" }),
  SIMULATOR_FILE: Type.Optional(Type.String({ description: "where payments are remembered from one run to the next" })),
  SIMULATOR_LATENCY_MS: Type.Integer({
    default: 100,
    minimum: 0,
    maximum: 60_000,
    description: "added to every payment call",
  }),
});

try {
  const config = readEnvironment(variables, process.env);
  const app = buildSimulator({
    latencyMs: config.SIMULATOR_LATENCY_MS,
    ...(config.SIMULATOR_FILE && { file: config.SIMULATOR_FILE }),
  });
  const address = await app.listen({ host: config.HOST, port: config.PORT });
  process.stdout.write(`stripe-simulator: listening on ${address}\n`);
  closeWithGrace({ delay: 5_000 }, () => app.close());
} catch (error) {
  reportStartFailure("stripe-simulator", error);
}
