import { once } from "node:events";
import { createServer } from "node:net";

/** How often a port may be taken by somebody else between finding and using it. */
const TRIES = 10;

/** Asks the system for a TCP port that nobody uses on 127.0.0.1 at this moment. */
async function findFreePort(): Promise<number> {
  const server = createServer();
  // Exclusive, or the primary process of a cluster would keep the port open after `close`.
  server.listen({ port: 0, host: "127.0.0.1", exclusive: true });
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("Found no free TCP port on 127.0.0.1");
  return address.port;
}

/**
 * Starts something on a free port, on another one when the port was taken in between.
 *
 * @param start Tries a port; `false` means that it was taken.
 * @param findPort Finds the port to try next.
 * @returns The port that it started on.
 * @throws Error when 10 ports in a row were taken, and whatever `start` throws.
 */
export async function startOnFreePort(
  start: (port: number) => Promise<boolean>,
  findPort: () => Promise<number> = findFreePort,
): Promise<number> {
  for (let tried = 0; tried < TRIES; tried += 1) {
    const port = await findPort();
    if (await start(port)) return port;
  }
  throw new Error(`Each of ${TRIES} free TCP ports was taken before the server could listen on it`);
}
