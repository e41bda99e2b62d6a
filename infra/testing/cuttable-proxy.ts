import { connect, createServer, type Server, type Socket } from "node:net";

/** A TCP connection between two parts that can be cut and mended, so that an outage needs no server of one's own. */
export interface CuttableProxy {
  /** host:port to connect to instead of the real one. */
  readonly address: string;
  /** Breaks every connection and refuses new ones. */
  cut(): Promise<void>;
  /** Lets connections through again. */
  mend(): Promise<void>;
  close(): Promise<void>;
}

export async function cuttableProxy(host: string, port: number): Promise<CuttableProxy> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  const newServer = () =>
    createServer((near) => {
      const far = connect(port, host);
      for (const socket of [near, far]) track(socket);
      near.pipe(far).pipe(near);
      near.on("close", () => far.destroy());
      far.on("close", () => near.destroy());
    });
  const listen = (server: Server, onPort: number) =>
    new Promise<void>((resolve, reject) => server.once("error", reject).listen(onPort, "127.0.0.1", resolve));

  let server = newServer();
  await listen(server, 0);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return {
    address: `127.0.0.1:${address.port}`,
    cut,
    async mend() {
      server = newServer();
      await listen(server, address.port);
    },
    close: cut,
  };
}
