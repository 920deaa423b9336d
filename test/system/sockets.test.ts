import { once } from "node:events";
import net from "node:net";
import type { AddressInfo } from "node:net";
import pg from "pg";
import { filter, firstValueFrom } from "rxjs";
import { expect, it, onTestFinished, vi } from "vitest";
import { createClient, payload } from "../../src/index.ts";
import { usePostgres } from "../support/postgres.ts";
import { targetOf } from "../support/tcp-proxy.ts";

const database = usePostgres();
const jobs = { work: payload<unknown>() };

it("a worker that has ended has closed the socket that listened, too", async () => {
  const { connectionString, open } = await behindSlowGoodbyes();
  const client = createClient({ connectionString, jobs, logger: false });
  onTestFinished(() => client.close());
  const worker = await client.spawnWorker({ handlers: { work: () => undefined } });
  await expect.poll(() => open("millrace listen")).toBe(1);
  await worker.shutdown();
  expect(open("millrace")).toBe(0);
});

it.each(["a connection string", "a pool"])("a client with %s that is closed has closed all", async (way) => {
  const { connectionString, open } = await behindSlowGoodbyes();
  const pool = new pg.Pool({ connectionString, application_name: "the app" });
  onTestFinished(() => pool.end());
  const target = way === "a pool" ? { pool } : { connectionString };
  const client = createClient({ ...target, jobs, logger: false });
  const event$ = client.events().pipe(filter(({ type }) => type === "listening"));
  await firstValueFrom(event$);
  await client.close();
  expect(open("millrace")).toBe(0);
});

/**
 * A way to the database on which the server never says goodbye to those that listen, and a count of the
 * sockets of this process that are open on it, by what their `application_name` begins with.
 */
async function behindSlowGoodbyes(): Promise<{
  readonly connectionString: string;
  readonly open: (name: string) => number;
}> {
  const names = new Map<number, string>();
  const connects = vi.spyOn(net.Socket.prototype, "connect");
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const upstream = net.connect(targetOf(database.connectionString));
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
    client.once("data", (startup) => {
      const name = /application_name\0([^\0]*)\0/.exec(startup.toString("latin1"))?.[1] ?? "";
      names.set(client.remotePort ?? 0, name);
      if (!/listen|events/.test(name)) upstream.once("end", () => client.end());
    });
    client.on("data", (bytes) => upstream.write(bytes));
    upstream.on("data", (bytes) => client.write(bytes));
    client.once("close", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  onTestFinished(() => {
    connects.mockRestore();
    server.close();
  });
  const url = new URL(database.connectionString);
  url.port = String(port);
  return {
    connectionString: url.href,
    open: (name) =>
      connects.mock.contexts.filter(
        (socket) =>
          socket instanceof net.Socket &&
          !socket.closed &&
          socket.remotePort === port &&
          names.get(socket.localPort ?? 0)?.startsWith(name),
      ).length,
  };
}
