import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** A TCP proxy on 127.0.0.1 that breaks connections in the ways that networks do. */
export interface TcpProxy extends AsyncDisposable {
  /** Where to connect. It stays the same through `refuse`. */
  readonly port: number;
  /** Forwards bytes both ways, as at the start: what was held back while stalled arrives now. */
  pass(): Promise<void>;
  /**
   * Holds back everything, of open connections and of new ones, which are accepted. Neither side
   * hears that the other closed: to both it is a half-open connection.
   */
  stall(): void;
  /** Resets every open connection. New ones are treated as before. */
  cut(): void;
  /** Resets every open connection and takes no new ones (`ECONNREFUSED`). */
  refuse(): Promise<void>;
  /** Resolves when the next connection was accepted. */
  accepted(): Promise<void>;
}

/** Where the proxied server listens. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** Where a connection string leads. */
export function targetOf(connectionString: string): Target {
  const { hostname, port } = new URL(connectionString);
  return { host: hostname, port: Number(port || 5432) };
}

/** Starts a proxy before `target`. Disposing it cuts every connection. */
export async function startTcpProxy(target: Target): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let stalled = false;

  const forward = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (bytes) => to.write(bytes));
    from.on("error", () => {});
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
    if (stalled) from.pause();
  };
  const server = createServer((client) => {
    const upstream = connect(target);
    forward(client, upstream);
    forward(upstream, client);
  });
  const listen = async (port: number): Promise<void> => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const refuse = async (): Promise<void> => {
    const closed = server.listening ? once(server, "close") : undefined;
    if (closed !== undefined) server.close();
    cut();
    await closed;
  };

  await listen(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    pass: async () => {
      stalled = false;
      for (const socket of sockets) socket.resume();
      if (!server.listening) await listen(port);
    },
    stall: () => {
      stalled = true;
      for (const socket of sockets) socket.pause();
    },
    cut,
    refuse,
    accepted: async () => {
      await once(server, "connection");
    },
    [Symbol.asyncDispose]: refuse,
  };
}
