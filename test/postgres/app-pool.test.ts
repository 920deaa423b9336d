import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { runIn, transactIn } from "../../src/postgres/database.ts";
import type { Run, Transact } from "../../src/postgres/database.ts";
import { isTransient } from "../../src/postgres/transient.ts";
import { usePostgres } from "../support/postgres.ts";
import { startTcpProxy, targetOf } from "../support/tcp-proxy.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";

const database = usePostgres();

const one = { name: "millrace_one_test", text: "select 1 as one" };

const LIMITED = { callTimeoutMs: 200 };

const NO_ANSWER = expect.objectContaining({ message: "Query read timeout" }) as unknown;

const NO_CONNECTION = expect.objectContaining({
  message: expect.stringMatching(/^Got no connection of the pool within 200 ms/u) as unknown,
}) as unknown;

/** A pool of the app's, without any limit, whose connections can be stalled. */
interface AppPool {
  readonly pool: pg.Pool;
  readonly proxy: TcpProxy;
  readonly run: Run;
  readonly transact: Transact;
}

async function openPool(max: number): Promise<AppPool> {
  const proxy = await startTcpProxy(targetOf(database.connectionString));
  const url = new URL(database.connectionString);
  url.port = String(proxy.port);
  const pool = new pg.Pool({ connectionString: url.href, max });
  pool.on("error", () => undefined);
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]();
    await pool.end();
  });
  return { pool, proxy, run: runIn(pool, LIMITED), transact: transactIn(pool, LIMITED) };
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("a call through the app's pool", () => {
  it("is given up on a half-open connection, the first and those that come meanwhile", async () => {
    const { pool, proxy, run } = await openPool(2);
    await pool.query("select 1");
    proxy.stall();
    const errors = await Promise.all([1, 2, 3].map(() => failureOf(run(one))));
    expect(errors).toEqual([NO_ANSWER, NO_CONNECTION, expect.toSatisfy(isTransient)]);
    proxy.cut();
    await proxy.pass();
    expect(await run(one)).toEqual([{ one: 1 }]);
  });

  it("is given up at the begin and at the commit of a transaction, whose connection is thrown away", async () => {
    const { pool, proxy, transact } = await openPool(1);
    await pool.query("select 1");
    proxy.stall();
    expect(await failureOf(transact((run) => run(one)))).toEqual(NO_ANSWER);
    await proxy.pass();
    const stalled = transact(async (run) => {
      await run(one);
      proxy.stall();
    });
    expect(await failureOf(stalled)).toEqual(NO_ANSWER);
    await proxy.pass();
    await expect.poll(() => pool.totalCount).toBe(0);
    expect(await transact((run) => run(one))).toEqual([{ one: 1 }]);
  });

  it("is given up while others hold every connection, and gives back the one that comes too late", async () => {
    const { pool, run, transact } = await openPool(1);
    const held = await pool.connect();
    const errors = await Promise.all([run(one), transact((inside) => inside(one))].map(failureOf));
    expect(errors).toEqual([NO_CONNECTION, NO_CONNECTION]);
    expect(errors.every(isTransient)).toBe(true);
    held.release();
    expect(await run(one)).toEqual([{ one: 1 }]);
    expect([pool.waitingCount, pool.idleCount]).toEqual([0, 1]);
  });
});
