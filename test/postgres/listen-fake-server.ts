import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** A server that speaks just enough of the protocol to go wrong in ways that Postgres rarely does. */
export interface FakeServer extends AsyncDisposable {
  readonly port: number;
  /** How many connections were made so far. */
  connectionCount(): number;
  /** How many are open. */
  openCount(): number;
}

/**
 * Starts a fake Postgres that lets everyone in.
 *
 * @param answer What it sends to a query, by `message`; it may also do worse to the socket.
 * @param greeting What it tells of itself before it takes queries.
 */
export async function startFakeServer(
  answer: (query: string, socket: Socket) => void,
  greeting: Buffer = Buffer.alloc(0),
): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(Buffer.concat([message("R", Buffer.alloc(4)), greeting, READY]));
      socket.on("data", (bytes) => {
        if (bytes.toString("latin1", 0, 1) === "Q")
          answer(bytes.toString("utf8", 5, bytes.length - 1), socket);
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    connectionCount: () => connections,
    openCount: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** One message of the protocol: a letter, the length, the body. */
export function message(letter: string, body: Buffer | string): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(letter, "latin1");
  head.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
}

/** ReadyForQuery, outside a transaction. */
const READY: Buffer = message("Z", "I");

/** CommandComplete of LISTEN, then ReadyForQuery. */
export const LISTENING: Buffer = Buffer.concat([message("C", "LISTEN\0"), READY]);

/** ErrorResponse. */
export function errorMessage(severity: "ERROR" | "FATAL", code: string, text: string): Buffer {
  return message("E", `S${severity}\0V${severity}\0C${code}\0M${text}\0\0`);
}
