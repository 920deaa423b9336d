import { Socket } from "node:net";
import { firstValueFrom, ignoreElements, lastValueFrom, materialize, take, toArray } from "rxjs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openSession, sessionConfig } from "../../src/postgres/listen-session.ts";
import { errorMessage, LISTENING, message, startFakeServer } from "./listen-fake-server.ts";
import type { FakeServer } from "./listen-fake-server.ts";

describe("openSession", () => {
  let server: FakeServer;

  afterEach(() => server[Symbol.asyncDispose]());

  const connection = (): { host: string; port: number; user: string } => ({
    host: "127.0.0.1",
    port: server.port,
    user: "me",
  });

  /** Waits until the session fails, and tells how. */
  async function failure(timeoutMs = 1_000): Promise<Error> {
    const session$ = openSession({
      connection: { ...connection(), connectionTimeoutMillis: timeoutMs },
      channel: "c",
    });
    const end = await lastValueFrom(session$.pipe(ignoreElements(), materialize()));
    expect(end.kind).toBe("E");
    return end.kind === "E" ? (end.error as Error) : new Error("it completed");
  }

  /** Waits until the server has lost its last client. */
  async function abandoned(): Promise<void> {
    await expect.poll(() => server.openCount()).toBe(0);
  }

  it("opens, then tells what arrives on its channel only", async () => {
    server = await startFakeServer((_query, socket) => {
      const arrival = (channel: string, payload: string): Buffer =>
        message("A", Buffer.concat([Buffer.alloc(4), Buffer.from(`${channel}\0${payload}\0`)]));
      socket.write(
        Buffer.concat([LISTENING, arrival("d", "elsewhere"), arrival("c", "one"), arrival("c", "")]),
      );
    });
    const event$ = openSession({ connection: connection(), channel: "c" }).pipe(take(3), toArray());
    expect(await firstValueFrom(event$)).toEqual([
      { type: "received", payload: "one" },
      { type: "received", payload: "" },
      { type: "opened" },
    ]);
    await abandoned();
  });

  it("sends nothing but LISTEN, with the channel quoted", async () => {
    const queries: string[] = [];
    server = await startFakeServer((query, socket) => {
      queries.push(query);
      socket.write(LISTENING);
    });
    const setInterval = vi.spyOn(globalThis, "setInterval");
    await firstValueFrom(openSession({ connection: connection(), channel: 'My "jobs"' }));
    // The check of `pg-listen` itself, every 30 s, would wait for ever on a half-open connection.
    expect(setInterval.mock.calls.map(([, delayMs]) => delayMs)).not.toContain(30_000);
    setInterval.mockRestore();
    expect(queries).toEqual(['LISTEN "My ""jobs"""']);
  });

  it("fails when LISTEN is refused on a connection that stays up", async () => {
    server = await startFakeServer((_query, socket) => {
      socket.write(
        Buffer.concat([
          errorMessage("ERROR", "25006", "cannot execute LISTEN during recovery"),
          message("Z", "I"),
        ]),
      );
    });
    expect(await failure()).toMatchObject({
      message: "Could not connect and listen: cannot execute LISTEN during recovery",
      cause: { code: "25006" },
    });
    await abandoned();
    expect(server.connectionCount()).toBe(1);
  });

  it.for(["in_hot_standby", "default_transaction_read_only"])(
    "fails before LISTEN on a server that takes reads only, as %s tells",
    async (parameter) => {
      const queries: string[] = [];
      const greeting = message("S", `${parameter}\0on\0`);
      server = await startFakeServer((query) => void queries.push(query), greeting);
      expect(await failure()).toMatchObject({
        message: "The connection that listens was lost: the server takes reads only",
      });
      await abandoned();
      expect(queries).toEqual([]);
    },
  );

  it("fails when LISTEN is not answered", async () => {
    server = await startFakeServer(() => {});
    expect(await failure(50)).toMatchObject({
      message: "Could not connect and listen: Timeout has occurred",
    });
    await abandoned();
  });

  it("fails once when the server sends several fatal errors", async () => {
    server = await startFakeServer((_query, socket) => {
      const fatal = errorMessage("FATAL", "57P01", "terminating connection due to administrator command");
      socket.write(Buffer.concat([LISTENING, fatal, fatal, fatal]), () => socket.resetAndDestroy());
    });
    expect(await failure()).toMatchObject({
      message: "The connection that listens was lost: terminating connection due to administrator command",
    });
    await abandoned();
  });

  it("fails when the server speaks another protocol", async () => {
    server = await startFakeServer((_query, socket) => {
      socket.write(`HTTP/1.1 400 Bad Request\r\n\r\n${"\0".repeat(100)}`);
    });
    expect(await failure(100)).toBeInstanceOf(Error);
    await abandoned();
  });

  it("fails, instead of throwing, when the settings make no client", async () => {
    server = await startFakeServer(() => {});
    const session$ = openSession({
      connection: { connectionString: "postgres://h/db?sslrootcert=/nowhere" },
      channel: "c",
    });
    const end = await lastValueFrom(session$.pipe(materialize()));
    expect(end.kind).toBe("E");
  });

  it("says nothing more when it is unsubscribed at the moment of the loss", async () => {
    server = await startFakeServer((_query, socket) => socket.write(LISTENING, () => socket.destroy()));
    const closed = new Promise<void>((resolve) => {
      const stream = (): Socket => {
        const socket = new Socket();
        // Before `pg-listen`, which hears of the loss now and tells its error some microtasks later.
        socket.on("close", () => queueMicrotask(() => subscription.unsubscribe()));
        socket.on("close", () => resolve());
        return socket;
      };
      const subscription = openSession({ connection: { ...connection(), stream }, channel: "c" }).subscribe();
    });
    await closed;
    await abandoned();
  });

  it("never connects twice in one session, whatever goes wrong", async () => {
    server = await startFakeServer((_query, socket) => socket.write(LISTENING, () => socket.destroy()));
    expect(await failure()).toMatchObject({
      message: "The connection that listens was lost: it ended without a word",
    });
    expect(server.connectionCount()).toBe(1);
  });
});

describe("sessionConfig", () => {
  it("sets the bounds that pg leaves open", () => {
    expect(sessionConfig({ host: "h" })).toEqual({
      host: "h",
      password: undefined,
      application_name: "millrace-listen",
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      pipeline: false,
    });
  });

  it("keeps what the caller set", () => {
    const connection = {
      application_name: "mine",
      connectionTimeoutMillis: 7,
      keepAliveInitialDelayMillis: 8,
    };
    expect(sessionConfig(connection)).toMatchObject(connection);
  });
});
