import pg from "pg";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import { SchemaError } from "../../src/core/errors.ts";
import { MIGRATIONS, SCHEMA_VERSION } from "../../src/postgres/migrations/index.ts";
import { checkSchema, migrate, migrationSql } from "../../src/postgres/migrate.ts";
import { until } from "../support/postgres.ts";
import { inServer, urlOf } from "../support/postgres-server.ts";

let made = 0;

/** An empty database, and a pool to it. */
async function emptyDatabase(max = 2): Promise<pg.Pool> {
  const serverUrl = inject("serverUrl");
  const name = `millrace_migrate_${process.pid}_${(made += 1)}`;
  await inServer(serverUrl, `create database "${name}"`);
  const pool = calm({ connectionString: urlOf(serverUrl, name), max, application_name: "the test" });
  onTestFinished(async () => {
    await pool.end();
    await inServer(serverUrl, `drop database "${name}" with (force)`);
  });
  return pool;
}

/** A pool whose connections may be cut. */
function calm(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config);
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

describe("MIGRATIONS", () => {
  it("are numbered from 1 without gaps, and never need a library of a later version than their own", () => {
    expect(MIGRATIONS.map(({ version }) => version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
    for (const { version, minVersion } of MIGRATIONS) expect(minVersion).toBeLessThanOrEqual(version);
  });
});

describe("migrate", () => {
  it("brings an empty database to the version of the library, once", async () => {
    const pool = await emptyDatabase();
    expect(await migrate(pool, "millrace")).toEqual({ from: 0, to: SCHEMA_VERSION });
    expect(await migrate(pool, "millrace")).toEqual({ from: SCHEMA_VERSION, to: SCHEMA_VERSION });
    const { rows } = await pool.query(
      "select version, name, min_version from millrace.migrations order by 1",
    );
    expect(rows).toEqual(
      MIGRATIONS.map(({ version, name, minVersion }) => ({ version, name, min_version: minVersion })),
    );
  });

  it("happens once, however many call it at the same instant", async () => {
    const pool = await emptyDatabase(50);
    const answers = await Promise.all(Array.from({ length: 50 }, () => migrate(pool, "millrace")));
    expect(answers.filter(({ from }) => from === 0)).toHaveLength(1);
    expect(answers.every(({ to }) => to === SCHEMA_VERSION)).toBe(true);
    const { rows } = await pool.query("select count(*)::int as steps from millrace.migrations");
    expect(rows).toEqual([{ steps: MIGRATIONS.length }]);
  });

  it("goes on from the version that it finds", async () => {
    const pool = await emptyDatabase();
    await migrate(pool, "millrace");
    await pool.query("delete from millrace.migrations where version = $1", [SCHEMA_VERSION]);
    await pool.query("drop table millrace.subscribers, millrace.completed_log");
    await pool.query("drop function millrace.read_completed");
    expect(await migrate(pool, "millrace")).toEqual({ from: SCHEMA_VERSION - 1, to: SCHEMA_VERSION });
  });

  it("leaves nothing behind when a step fails", async () => {
    const pool = await emptyDatabase();
    await pool.query("create schema millrace; create table millrace.failed (of_the_app int)");
    await expect(migrate(pool, "millrace")).rejects.toMatchObject({ code: "42P07" });
    const { rows } = await pool.query(
      "select count(*)::int as tables from pg_tables where schemaname = 'millrace'",
    );
    expect(rows).toEqual([{ tables: 1 }]);
  });

  it("waits for another one longer than the pool lets a query take", async () => {
    const pool = await emptyDatabase();
    const patient = calm({ ...pool.options, query_timeout: 100 });
    onTestFinished(() => patient.end());
    await migrate(pool, "millrace");
    const other = await pool.connect();
    const [lock = ""] = /select pg_advisory_xact_lock.*/.exec(migrationSql("millrace")) ?? [];
    await other.query("begin");
    await other.query(lock);
    const migrated = migrate(patient, "millrace");
    await until(
      pool,
      "select from pg_stat_activity where wait_event = 'advisory' and now() - query_start > interval '0.3 s'",
    );
    await other.query("commit");
    other.release();
    expect(await migrated).toEqual({ from: SCHEMA_VERSION, to: SCHEMA_VERSION });
  });

  it("works whatever the role's settings are", async () => {
    const pool = await emptyDatabase();
    const { rows } = await pool.query<{ name: string }>("select current_database() as name");
    const name = rows[0]?.name ?? "";
    for (const setting of [
      "default_transaction_isolation = serializable",
      "search_path = 'nowhere'",
      "datestyle = 'German'",
      "statement_timeout = '1ms'",
      "standard_conforming_strings = on",
    ]) {
      await inServer(inject("serverUrl"), `alter database "${name}" set ${setting}`);
    }
    const fresh = calm({ ...pool.options, max: 1 });
    onTestFinished(() => fresh.end());
    expect(await migrate(fresh, "millrace")).toEqual({ from: 0, to: SCHEMA_VERSION });
  });
});

describe("migrationSql", () => {
  it("is what an operator can run instead", async () => {
    const pool = await emptyDatabase();
    await pool.query(migrationSql("millrace"));
    expect(await migrate(pool, "millrace")).toEqual({ from: SCHEMA_VERSION, to: SCHEMA_VERSION });
    await checkSchema(pool, "millrace");
  });
});

describe("checkSchema", () => {
  it("passes where the schema fits", async () => {
    const pool = await emptyDatabase();
    await migrate(pool, "millrace");
    await checkSchema(pool, "millrace");
  });

  it("says what to run where there is none", async () => {
    const pool = await emptyDatabase();
    const checking = checkSchema(pool, "millrace");
    await expect(checking).rejects.toThrow(SchemaError);
    await expect(checking).rejects.toThrow(
      /holds no tables of millrace.*client\.migrate\(\).*npx millrace migrate/u,
    );
  });

  it("says what to run where it is older", async () => {
    const pool = await emptyDatabase();
    await migrate(pool, "millrace");
    await pool.query("delete from millrace.migrations where version > 2");
    await expect(checkSchema(pool, "millrace")).rejects.toThrow(/is at version 2.*client\.migrate\(\)/u);
  });

  it("passes a newer one that lets this library work, and refuses one that does not", async () => {
    const pool = await emptyDatabase();
    await migrate(pool, "millrace");
    const enter = "insert into millrace.migrations (version, name, min_version) values ($1, 'later', $2)";
    await pool.query(enter, [SCHEMA_VERSION + 1, SCHEMA_VERSION]);
    await checkSchema(pool, "millrace");
    expect(await migrate(pool, "millrace")).toMatchObject({ to: SCHEMA_VERSION + 1 });
    await pool.query(enter, [SCHEMA_VERSION + 2, SCHEMA_VERSION + 2]);
    await expect(checkSchema(pool, "millrace")).rejects.toThrow(/newer millrace.*update the package/u);
    await expect(migrate(pool, "millrace")).rejects.toThrow(SchemaError);
  });
});
