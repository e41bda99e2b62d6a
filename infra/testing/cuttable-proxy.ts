import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A TCP connection between two parts that can be cut, slowed down or frozen, and mended, so that an
 * outage needs no server of one's own.
 */
export interface CuttableProxy {
  /** host:port to connect to instead of the real one. */
  readonly address: string;
  /** Breaks every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Data take so much longer, in both directions: as much of them as before. */
  delay(ms: number): void;
  /**
   * Lets nothing through and breaks nothing: neither side can tell this from the other one's
   * silence.
   */
  freeze(): void;
  /**
   * Whoever is connected now hears nothing any more, as of a machine that lost its power; new
   * connections are let through.
   */
  abandon(): void;
  /** Lets everything through again, what was held back by a freeze too. */
  mend(): Promise<void>;
  close(): Promise<void>;
}

/** @param port where to connect to; asked anew for each connection where it is a function */
export async function cuttableProxy(host: string, port: number | (() => number)): Promise<CuttableProxy> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  let delayMs = 0;
  let thaw: PromiseWithResolvers<void> | null = null;
  let abandoned = new AbortController(); // of the connections that there are

  const relay = async (from: Socket, to: Socket, { signal }: AbortController) => {
    const pass = async (chunk: Buffer, dueMs: number) => {
      const earlyMs = dueMs - performance.now();
      if (earlyMs > 0) await sleep(earlyMs);
      if (thaw !== null) await thaw.promise;
      if (signal.aborted) return;
      if (!to.write(chunk)) await once(to, "drain");
    };
    // Each behind the one before; only what is delayed is not waited for.
    let passed = Promise.resolve();
    for await (const chunk of from) {
      const before = passed;
      const dueMs = performance.now() + delayMs;
      passed = before.then(() => pass(chunk as Buffer, dueMs));
      if (delayMs === 0) await passed;
      else passed.catch(() => from.destroy());
    }
    await passed;
    if (!signal.aborted) to.end();
  };
  const newServer = () =>
    createServer((near) => {
      const far = connect(typeof port === "number" ? port : port(), host);
      for (const socket of [near, far]) {
        track(socket);
        socket.setNoDelay(true);
      }
      const until = abandoned;
      const breakBoth = () => {
        if (until.signal.aborted) return;
        near.destroy();
        far.destroy();
      };
      relay(near, far, until).catch(breakBoth);
      relay(far, near, until).catch(breakBoth);
      near.on("close", breakBoth);
      far.on("close", breakBoth);
    });
  const listen = (server: Server, onPort: number) =>
    new Promise<void>((resolve, reject) => server.once("error", reject).listen(onPort, "127.0.0.1", resolve));
  const letThrough = () => {
    delayMs = 0;
    thaw?.resolve();
    thaw = null;
  };

  let server = newServer();
  await listen(server, 0);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    letThrough();
    await closed;
  };
  return {
    address: `127.0.0.1:${address.port}`,
    cut,
    delay(ms) {
      delayMs = ms;
    },
    freeze() {
      thaw ??= Promise.withResolvers<void>();
    },
    abandon() {
      abandoned.abort();
      abandoned = new AbortController();
    },
    async mend() {
      letThrough();
      if (server.listening) return;
      server = newServer();
      await listen(server, address.port);
    },
    close: cut,
  };
}
