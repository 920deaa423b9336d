import { Socket } from "node:net";

/** The sockets of a pool, and of what connects beside it, until each has closed. */
export interface Sockets {
  /** Makes one: the `stream` of the settings of a connection. */
  readonly open: () => Socket;
  /** Resolves when none is left of those that are there now. */
  readonly closed: () => Promise<unknown>;
  /** Drops them, whatever the server says. */
  readonly destroy: () => void;
}

/** Makes a set of sockets: none. */
export function createSockets(): Sockets {
  const sockets = new Set<Socket>();
  return {
    open: () => {
      const socket = new Socket();
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      return socket;
    },
    closed: () => Promise.all([...sockets].map(closed)),
    destroy: () => {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Not `once` of `node:events`: that rejects when the connection breaks, which is an end as well. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
  });
}
