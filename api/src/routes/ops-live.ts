import { fastifySSE } from "@fastify/sse";
import { alarmNames } from "@holdfast/shared/alarm-catalogue.ts";
import { Type } from "typebox";
import { described, refusals } from "../answers.ts";
import type { App } from "../http/fastify-app.ts";
import { Problem } from "../http/problems.ts";
import { saleFeed } from "../ops/monitor/sale-feed.ts";
import { readBefore } from "../ops/monitor/sale-monitor.ts";
import { type OpsParts, opsRefusals, opsSecurity } from "../ops/ops-parts.ts";
import type { SaleNow } from "../ops/sale-now.ts";

const maxRooms = 20; // on one server; a team has a few, and each costs milliseconds of every second
const heartbeatMs = 15_000; // far less than any proxy waits for a silent connection
const reconnectMs = 2_000;

const alarmBody = Type.Object(
  {
    name: Type.String({ enum: [...alarmNames] }),
    id: Type.String({ description: "its name, and whom it is about where there can be several: `lane_paused:3`" }),
    severity: Type.String({ enum: ["critical", "warning"] }),
    since: Type.String({ format: "date-time" }),
    sentence: Type.String({ description: "what is the matter and what to do; the same as in docs/runbook.md" }),
    detail: Type.String({ description: "what exactly" }),
  },
  { title: "Alarm" },
);
const alarmsBody = Type.Object({ alarms: Type.Array(alarmBody) }, { title: "Alarms" });

/** The sale as it is now, for the operations room, and its alarms. */
export async function opsLiveRoutes(app: App, { redis, keys, checkReadiness }: OpsParts): Promise<void> {
  const feed = saleFeed({ redis, keys, checkReadiness });
  alarmsRoute(app, () => feed.current());
  await app.register(async (scope) => {
    // The sale comes as text already, the same for every room.
    await scope.register(fastifySSE, { heartbeatInterval: heartbeatMs, serializer: (json: string) => json });
    const rooms = new Set<() => void>();
    scope.addHook("preClose", async () => {
      feed.close();
      for (const close of rooms) close();
    });
    scope.get(
      "/api/live",
      {
        sse: "manual",
        exposeHeadRoute: false, // it would never end
        schema: {
          operationId: "followSale",
          summary: "The sale as it is now, as server-sent events",
          description: "`history` once, with the last fifteen minutes; then `sale` whenever it has changed.",
          tags: ["operations"],
          security: opsSecurity,
          response: {
            200: {
              description: "a stream that does not end",
              content: { "text/event-stream": { schema: Type.String() } },
            },
            ...refusals(...opsRefusals, "busy"),
          },
        },
      },
      async (_request, reply) => {
        if (rooms.size >= maxRooms) {
          throw new Problem("busy", `${maxRooms} rooms are open on this server.`, { retryAfterSeconds: 10 });
        }
        const { sse } = reply;
        let stop = () => {};
        const close = () => sse.close();
        const leave = () => {
          stop();
          rooms.delete(close);
        };
        rooms.add(close);
        sse.onClose(leave);
        sse.keepAlive();
        const before = await readBefore({ redis, keys }).catch(() => []);
        if (!sse.isConnected) return leave();
        await sse.send({ event: "history", data: JSON.stringify(before), retry: reconnectMs });
        let sending = false; // whoever reads slowly misses moments, and holds no more than one of them
        const sent = () => {
          sending = false;
        };
        stop = feed.follow((json) => {
          if (sending || !sse.isConnected) return;
          sending = true;
          sse.send({ event: "sale", data: json }).then(sent, sent);
        });
        if (!sse.isConnected) leave();
      },
    );
  });
}

function alarmsRoute(app: App, current: () => Promise<Pick<SaleNow, "alarms">>): void {
  app.get(
    "/api/alarms",
    {
      schema: {
        operationId: "listAlarms",
        summary: "The alarms that stand now",
        tags: ["operations"],
        security: opsSecurity,
        response: { 200: described(alarmsBody, "the worst first"), ...refusals(...opsRefusals) },
      },
    },
    async () => {
      const { alarms } = await current();
      return { alarms: [...alarms] };
    },
  );
}
