import { randomUUID } from "node:crypto";
import pg from "pg";
import { defer, filter, firstValueFrom, repeat, timeout } from "rxjs";
import { afterAll, beforeAll, beforeEach, inject, onTestFinished } from "vitest";
import type { Store } from "../../src/core/store.ts";
import { openPool } from "../../src/postgres/database.ts";
import type { Database, PoolSettings } from "../../src/postgres/database.ts";
import { postgresStore } from "../../src/postgres/store.ts";
import { inServer, urlOf } from "./postgres-server.ts";

/** The database of a test file. It is there from `beforeAll` on. */
export interface TestDatabase {
  /** Connects a superuser to it. */
  readonly connectionString: string;
  /** The test's own side: its connections are not the library's. */
  readonly pool: pg.Pool;
  /** Borrows one of the test's own connections until the test is over. */
  client(): Promise<pg.PoolClient>;
  /** Opens a pool of the library, which is closed when the test is over, if not before. */
  open(settings?: Partial<PoolSettings> & pg.PoolConfig): Database;
  /** Opens a store with a pool of its own, of as many connections as are asked for (default 3). */
  store(options?: { readonly max?: number; readonly schema?: string }): OpenStore;
}

/** A store and the end of its connections. */
export interface OpenStore extends Store {
  close(): Promise<void>;
}

/** The name under which the tests open connections of the library. */
export const APPLICATION = "millrace test";

const TABLES =
  "pending scheduled waiting claimed failed completed dependencies keys workers subscribers".split(" ");

/**
 * Gives a test file a migrated database of its own, emptied before every test, and fails a test
 * that leaves a connection of the library behind.
 */
export function usePostgres(): TestDatabase {
  const serverUrl = inject("serverUrl");
  const name = `millrace_test_${randomUUID().slice(0, 8)}`;
  const connectionString = urlOf(serverUrl, name);
  const pool = new pg.Pool({ connectionString, max: 10, application_name: "the test" });
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  const closes = new Set<() => Promise<void>>();

  beforeAll(async () => {
    await inServer(serverUrl, `create database "${name}" template "${inject("templateName")}"`);
  });
  beforeEach(async ({ onTestFinished }) => {
    await pool.query(TABLES.map((table) => `delete from millrace.${table};`).join("\n"));
    onTestFinished(async () => {
      await Promise.all([...closes].map((close) => close()));
      await noneLeft(pool);
    });
  });
  afterAll(async () => {
    await pool.end();
    await inServer(serverUrl, `drop database "${name}" with (force)`);
  });

  const client: TestDatabase["client"] = async () => {
    const borrowed = await pool.connect();
    onTestFinished(() => borrowed.release(true));
    return borrowed;
  };
  const open: TestDatabase["open"] = (settings = {}) => {
    const { max = 1, applicationName = APPLICATION, plansOnce = false, ...rest } = settings;
    const { queryTimeoutMs, throughPooler, ...config } = rest;
    const given = {
      max,
      applicationName,
      plansOnce,
      ...(queryTimeoutMs === undefined ? {} : { queryTimeoutMs }),
      ...(throughPooler === undefined ? {} : { throughPooler }),
    };
    const database = openPool({ connectionString, ...config }, given);
    const close = async (): Promise<void> => {
      if (closes.delete(close)) await database.close();
    };
    closes.add(close);
    return { ...database, close };
  };
  const store: TestDatabase["store"] = ({ max = 3, schema = "millrace" } = {}) => {
    const { run, close } = open({ max });
    return { ...postgresStore({ schema, claims: run, settles: run, leases: run }), close };
  };
  return { connectionString, pool, client, open, store };
}

/** Waits until a query answers with a row, for ten seconds at most unless told otherwise. */
export async function until(
  pool: pg.Pool,
  text: string,
  values: readonly unknown[] = [],
  timeoutMs = 10_000,
): Promise<void> {
  const rows$ = defer(() => pool.query(text, [...values]));
  await firstValueFrom(
    rows$.pipe(
      repeat({ delay: 5 }),
      filter(({ rows }) => rows.length > 0),
      timeout(timeoutMs),
    ),
  );
}

/** Waits until the server has no connection of the library to this database. */
async function noneLeft(pool: pg.Pool): Promise<void> {
  await until(
    pool,
    `select true where not exists (
       select from pg_stat_activity
        where datname = current_database() and application_name like 'millrace%')`,
  );
}
