import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "pg";
import { Subject } from "rxjs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import type { EmbeddedPostgres } from "../../src/embedded/index.ts";
import { listen } from "../../src/postgres/listen.ts";
import { startTcpProxy, targetOf } from "../support/tcp-proxy.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";
import { listenDatabase } from "./listen-database.ts";
import type { ListenDatabase } from "./listen-database.ts";
import { payload, record } from "./listen-recorder.ts";

const NAME = "listen-outage-test";

/** These stop and kill the server, so it is one of their own. */
describe("listen", () => {
  let dataDir: string;
  let server: EmbeddedPostgres;
  let pool: Pool;
  let database: ListenDatabase;
  let proxy: TcpProxy;

  beforeAll(async () => {
    dataDir = join(tmpdir(), `listen-outage-${randomUUID()}`);
    server = await startEmbeddedPostgres({ dataDir, persistent: true });
    pool = new Pool({ connectionString: server.connectionString });
    pool.on("error", () => {});
    database = listenDatabase(server.connectionString, pool);
  });
  beforeEach(async () => {
    proxy = await startTcpProxy(targetOf(server.connectionString));
  });
  afterEach(async () => {
    await proxy[Symbol.asyncDispose]();
    await database.gone(NAME);
  });
  afterAll(async () => {
    await pool.end();
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it("notices a half-open connection, opens another and hears again", async () => {
    using recorder = record(listen(database.options(NAME, proxy.port)));
    await recorder.next("listen-restored");

    const start = performance.now();
    proxy.stall();
    const lost = await recorder.next("listen-lost");
    // The next check is at most 240 ms away, and two nonces of 200 ms must be missed.
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(lost).toMatchObject({ error: { message: expect.stringContaining("stopped arriving") } });

    await database.notify(NAME, "lost in the gap");
    await proxy.pass();
    await recorder.next("listen-restored");
    await database.notify(NAME, "final");
    await recorder.next(payload("final"));
    expect(recorder.payloads()).toEqual(["final"]);
    expect(recorder.count("listen-lost")).toBe(1);
  });

  it("leaves no connection when it is unsubscribed from a half-open one", async () => {
    const recorder = record(listen(database.options(NAME, proxy.port)));
    await recorder.next("listen-restored");
    proxy.stall();
    recorder[Symbol.dispose]();
    // Once the proxy forwards again, the server hears what the client did meanwhile.
    await proxy.pass();
    await database.gone(NAME);
  });

  it("leaves a server that became read-only when told, and hears again when it takes writes", async () => {
    const readOnly = async (value: "on" | "off"): Promise<void> => {
      await pool.query(`alter system set default_transaction_read_only = ${value}`);
      await pool.query("select pg_reload_conf()");
    };
    const renew$ = new Subject<void>();
    using recorder = record(listen({ ...database.options(NAME, proxy.port), renew$ }));
    await recorder.next("listen-restored");
    const before = await database.pids(NAME);
    await readOnly("on");
    renew$.next();
    expect(await recorder.next("listen-lost")).toMatchObject({
      error: { message: expect.stringContaining("takes reads only") },
    });
    await expect.poll(() => database.pids(NAME)).not.toEqual(expect.arrayContaining([...before]));
    await readOnly("off");
    await recorder.next("listen-restored");
    await database.notify(NAME, "final");
    await recorder.next(payload("final"));
    expect(recorder.count("listen-lost")).toBe(1);
  });

  it("hears again after its connection was reset", async () => {
    using recorder = record(listen(database.options(NAME, proxy.port)));
    await recorder.next("listen-restored");
    proxy.cut();
    await recorder.next("listen-lost");
    await recorder.next("listen-restored");
  });

  it("gives up connecting when nobody answers, and is there once somebody does", async () => {
    proxy.stall();
    const options = database.options(NAME, proxy.port);
    using recorder = record(
      listen({ ...options, connection: { ...options.connection, connectionTimeoutMillis: 50 } }),
    );
    const lost = await recorder.next("listen-lost");
    expect(lost).toMatchObject({
      error: { message: expect.stringMatching(/^Could not connect and listen: /) },
    });
    for (let retry = 0; retry < 3; retry += 1) await proxy.accepted();
    await proxy.pass();
    await recorder.next("listen-restored");
    expect(recorder.count("listen-lost")).toBe(1);
  });

  it("waits for a server that is not there at the start", async () => {
    await proxy.refuse();
    using recorder = record(listen(database.options(NAME, proxy.port)));
    const lost = await recorder.next("listen-lost");
    expect(lost).toMatchObject({ error: { message: expect.stringContaining("ECONNREFUSED") } });
    await proxy.pass();
    await recorder.next("listen-restored");
    expect(recorder.count("listen-lost")).toBe(1);
  });

  it("tells once that it is deaf, when LISTEN succeeds and nothing arrives", async () => {
    const sent: string[] = [];
    let onRetry: () => void = () => {};
    const retried = new Promise<void>((resolve) => (onRetry = resolve));
    // A pooler in transaction mode takes LISTEN and gives the connection to others.
    const notify = (channel: string, nonce: string): Promise<unknown> => {
      if (sent.push(nonce) > 3) onRetry();
      return database.notify(`not ${channel}`, nonce);
    };
    using recorder = record(listen({ ...database.options(NAME), notify, watchdogTimeoutMs: 50 }));
    await retried;
    expect(recorder.events).toEqual([
      { type: "listen-lost", error: expect.objectContaining({ message: expect.stringContaining("pooler") }) },
    ]);
    // Between two tries there is none.
    await expect.poll(() => database.pids(NAME)).toHaveLength(1);
  });

  it("listens on while the connection that sends nonces is broken", async () => {
    const options = database.options(NAME);
    let broken = false;
    let onTwice: () => void = () => {};
    const failedTwice = new Promise<void>((resolve) => (onTwice = resolve));
    let failures = 0;
    const notify = (channel: string, nonce: string): Promise<unknown> => {
      if (!broken) return database.notify(channel, nonce);
      if (++failures === 2) onTwice();
      return Promise.reject(new Error("no pool"));
    };
    using recorder = record(listen({ ...options, notify, watchdogIntervalMs: 20 }));
    await recorder.next("listen-restored");
    const before = await database.pids(NAME);
    broken = true;
    await failedTwice;
    await database.notify(NAME, "heard");
    await recorder.next(payload("heard"));
    expect(recorder.events.map(({ type }) => type)).toEqual(["listen-restored", "notified"]);
    expect(await database.pids(NAME)).toEqual(before);
  });

  it("hears again after the server crashed", async () => {
    using recorder = record(listen(database.options(NAME)));
    await recorder.next("listen-restored");
    // Postgres answers the death of one process by ending all others and recovering.
    const [pid] = await database.pids(NAME);
    process.kill(pid as number, "SIGKILL");
    await recorder.next("listen-lost");
    await recorder.next("listen-restored");
    await database.notify(NAME, "final");
    await recorder.next(payload("final"));
    expect(recorder.count("listen-lost")).toBe(1);
  });

  it("hears again after the server was restarted", async () => {
    using recorder = record(listen(database.options(NAME)));
    await recorder.next("listen-restored");
    await server.stop();
    await recorder.next("listen-lost");
    server = await startEmbeddedPostgres({ dataDir, persistent: true, port: server.port });
    await recorder.next("listen-restored");
    await database.notify(NAME, "final");
    await recorder.next(payload("final"));
    expect(recorder.count("listen-lost")).toBe(1);
  });
});
