import { once } from "node:events";
import net from "node:net";
import pg from "pg";
import { describe, expect, inject, it, onTestFinished, vi } from "vitest";
import type { Mock } from "vitest";
import { SchemaError } from "../../src/core/errors.ts";
import { configOf, openPool, runIn } from "../../src/postgres/database.ts";
import type { Database } from "../../src/postgres/database.ts";
import { isTransient } from "../../src/postgres/transient.ts";
import { APPLICATION, until, usePostgres } from "../support/postgres.ts";
import { openBench } from "./store-bench.ts";

const database = usePostgres();

const slow = { name: "millrace_slow_test", text: "select pg_sleep(60)" };
const pause = { name: "millrace_pause_test", text: "select pg_sleep(0.02)" };
const forbidden = { name: "millrace_write_test", text: "delete from millrace.pending" };
const one = { name: "millrace_one_test", text: "select 1 as one" };

describe("openPool", () => {
  it("survives the death of idle and of busy connections, and connects anew", async () => {
    const { run, pool } = database.open({ max: 2 });
    await run(one);
    // The server's end of a connection is gone before ours hears of it.
    const noticed = new Promise((resolve) => void pool.once("remove", resolve));
    await killAll();
    await noticed;
    expect(await run(one)).toEqual([{ one: 1 }]);
    const running = run(slow).catch((reason: unknown) => reason);
    await until(database.pool, "select true from pg_stat_activity where query = $1", [slow.text]);
    await killAll();
    const error: unknown = await running;
    expect(error).toBeInstanceOf(Error);
    expect(isTransient(error)).toBe(true);
    expect(await run(one)).toEqual([{ one: 1 }]);
  });

  it("gives a statement up on the server, too", async () => {
    const { run } = database.open({ queryTimeoutMs: 200 });
    const error: unknown = await run(slow).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "57014" });
    expect(isTransient(error)).toBe(true);
    await until(
      database.pool,
      "select true where not exists (select from pg_stat_activity where query = $1)",
      [slow.text],
    );
  });

  it("gives a statement up on a pool of the app's, which may have no limit", async () => {
    const pool = new pg.Pool({ connectionString: database.connectionString, max: 1 });
    onTestFinished(() => pool.end());
    const run = runIn(pool, { callTimeoutMs: 200 });
    const error: unknown = await run(slow).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ message: "Query read timeout" });
    expect(isTransient(error)).toBe(true);
    expect(await run(one)).toEqual([{ one: 1 }]);
  });

  it("leaves a server that takes reads only, with the connections that wait as well", async () => {
    const { run, transact, pool, onReadOnly } = openThree();
    for (const write of [() => run(forbidden), () => transact((inside) => inside(forbidden))]) {
      await Promise.all(Array.from({ length: 3 }, () => run(pause)));
      expect(pool.totalCount).toBe(3);
      // The connection that was used last is used next.
      await run({ name: "", text: "set default_transaction_read_only = on" });
      const error: unknown = await write().catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: "25006" });
      expect(isTransient(error)).toBe(true);
      await expect.poll(() => pool.totalCount).toBe(0);
    }
    expect(onReadOnly).toHaveBeenCalledTimes(2);
  });

  it("keeps the connections that wait when another write fails", async () => {
    const { run, pool, onReadOnly } = openThree();
    await Promise.all(Array.from({ length: 3 }, () => run(pause)));
    await expect(run({ name: "millrace_missing_test", text: "select from nowhere" })).rejects.toThrow();
    expect(pool.totalCount).toBe(2);
    expect(onReadOnly).not.toHaveBeenCalled();
  });

  it("names its connections", async () => {
    const { run } = database.open({ applicationName: "millrace test heartbeat" });
    await run(one);
    const { rows } = await database.pool.query(
      "select application_name from pg_stat_activity where application_name = 'millrace test heartbeat'",
    );
    expect(rows).toHaveLength(1);
  });

  it("plans once for all values where it is told to, beside the options of the app", async () => {
    const settings = {
      name: "",
      text: `select current_setting('plan_cache_mode') as plans, current_setting('search_path') as path,
                    current_setting('enable_bitmapscan') as bitmaps`,
    };
    const own = { options: "-c search_path=pg_catalog" };
    const { run } = database.open({ ...own, plansOnce: true });
    expect(await run(settings)).toEqual([
      { plans: "force_generic_plan", path: "pg_catalog", bitmaps: "off" },
    ]);
    expect(await database.open(own).run(settings)).toEqual([
      { plans: "auto", path: "pg_catalog", bitmaps: "on" },
    ]);
  });

  it("sends nothing that a transaction pooler refuses, where it is told of one", async () => {
    const { run } = database.open({ throughPooler: true });
    await run(one);
    const rows = await run<{ prepared: number; timeout: string }>({
      name: "millrace_settings_test",
      text: `select (select count(*)::int from pg_prepared_statements) as prepared,
                    current_setting('statement_timeout') as timeout`,
    });
    expect(rows).toEqual([{ prepared: 0, timeout: "0" }]);
  });

  it("closes within seconds though the server has stopped answering", async () => {
    const stalled = await stall();
    const pool = openPool(
      { connectionString: stalled.connectionString },
      { max: 1, applicationName: APPLICATION },
    );
    expect(await pool.run(one)).toEqual([{ one: 1 }]);
    stalled.freeze();
    const lost = pool.run(slow).catch((reason: unknown) => reason);
    await once(pool.pool, "acquire");
    await pool.close();
    expect(await lost).toBeInstanceOf(Error);
  });

  it("closes when it was never used", async () => {
    await openPool(
      { connectionString: database.connectionString },
      { max: 1, applicationName: APPLICATION },
    ).close();
  });
});

describe("configOf", () => {
  it("copies what is hidden from enumeration, and nothing of the pool's own size", async () => {
    const url = new URL(inject("serverUrl"));
    const pool = new pg.Pool({
      host: url.hostname,
      port: Number(url.port),
      user: url.username,
      password: url.password,
      database: new URL(database.connectionString).pathname.slice(1),
      max: 7,
    });
    onTestFinished(() => pool.end());
    const config = configOf(pool);
    expect(config).toMatchObject({ host: url.hostname, password: url.password });
    expect(config).not.toHaveProperty("max");
    const copy = openPool(config, { max: 1, applicationName: APPLICATION });
    expect(await copy.run(one)).toEqual([{ one: 1 }]);
    await copy.close();
  });
});

describe("runIn", () => {
  it("throws a SchemaError that says what to run, where a table is missing", async () => {
    const run = runIn(database.pool);
    const missing = { name: "millrace_missing_test", text: "select from millrace.missing" };
    await expect(run(missing)).rejects.toThrow(SchemaError);
    await expect(run(missing)).rejects.toThrow(/client\.migrate\(\)/u);
  });

  it("never tells a value in an error", async () => {
    const on = await openBench(database);
    const secret = "4111-1111";
    const errors = await Promise.all([
      on.add({ payload: `{"card": ${secret}` }).catch((error: unknown) => error),
      on.add({ kind: "", source: secret }).catch((error: unknown) => error),
      on.add({ after: [secret] }).catch((error: unknown) => error),
      on.retryJob(secret).catch((error: unknown) => error),
      on.add({ priority: 41_111_111 }).catch((error: unknown) => error),
    ]);
    for (const error of errors) {
      expect(error).toBeInstanceOf(Error);
      const told = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String(error);
      expect(told).not.toContain(secret);
      expect(error).not.toHaveProperty("cause");
      expect(told).not.toContain("41111111");
      expect(error).toMatchObject({ code: expect.stringMatching(/^2[23]/u) });
      expect(isTransient(error)).toBe(false);
    }
  });
});

/** A pool of three connections that tells when it has left a server. */
function openThree(): Database & { readonly onReadOnly: Mock } {
  const onReadOnly = vi.fn();
  const { connectionString } = database;
  const opened = openPool({ connectionString }, { max: 3, applicationName: APPLICATION, onReadOnly });
  onTestFinished(() => opened.close());
  return { ...opened, onReadOnly };
}

async function killAll(): Promise<void> {
  const text =
    "select pid from pg_stat_activity where application_name = $1 and datname = current_database()";
  await database.pool.query(`select pg_terminate_backend(pid) from (${text}) all_of_them`, [APPLICATION]);
  await until(database.pool, `select true where not exists (${text})`, [APPLICATION]);
}

/** A way to the server that can stop passing anything on, without closing. */
async function stall(): Promise<{ readonly connectionString: string; readonly freeze: () => void }> {
  const url = new URL(database.connectionString);
  const target = { host: url.hostname, port: Number(url.port) };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((incoming) => {
    const outgoing = net.connect(target);
    for (const socket of [incoming, outgoing]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    incoming.pipe(outgoing);
    outgoing.pipe(incoming);
    incoming.once("close", () => outgoing.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Expected a port");
  url.port = String(address.port);
  return {
    connectionString: url.href,
    freeze: () => {
      for (const socket of sockets) {
        socket.unpipe();
        socket.pause();
      }
    },
  };
}
