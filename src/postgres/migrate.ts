import { createHash } from "node:crypto";
import type pg from "pg";
import { SchemaError } from "../core/errors.ts";
import { channelOf } from "./channel.ts";
import { QUERY_TIMEOUT_MS, inReadCommitted } from "./database.ts";
import type { TimedQuery } from "./database.ts";
import { quoteIdentifier, quoteLiteral } from "./identifier.ts";
import { MIGRATIONS, SCHEMA_VERSION } from "./migrations/index.ts";
import type { Migration, Names } from "./migrations/migration.ts";

/** What `migrate` did. */
export interface Migrated {
  /** The version before, 0 where there was nothing. */
  readonly from: number;
  /** The version after. */
  readonly to: number;
}

/** How long the tables may be waited for, in milliseconds: then the app goes on and this fails. */
const LOCK_TIMEOUT_MS = 10_000;

/** How long a step may take, in milliseconds: as long as timers go. An index of a large table takes its time. */
const STEP_TIMEOUT_MS = 2 ** 31 - 1;

const RUN_MIGRATE = "run `await client.migrate()` or `npx millrace migrate`";

/**
 * Brings a schema to the version of this library, in one transaction; does nothing where it is.
 *
 * Any number of processes may call it at once: an advisory lock of the transaction, taken before
 * everything else, lets one of them work while the others wait and then find it done. (`create
 * schema if not exists` alone failed 380 times of 400 when 20 processes raced.)
 *
 * @throws SchemaError when the schema is of a newer library that does not let this one work.
 */
export async function migrate(pool: pg.Pool, schema: string): Promise<Migrated> {
  return inReadCommitted(pool, { callTimeoutMs: QUERY_TIMEOUT_MS }, async (client) => {
    await client.query("set local statement_timeout = 0");
    await patiently(client, "select pg_advisory_xact_lock($1::bigint)", [lockKey(schema)]);
    await client.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await client.query("set local client_min_messages = warning");
    return migrateLocked(client, schema);
  });
}

/**
 * Checks that a schema is there and fits this library.
 *
 * @throws SchemaError that says what to run: for none, an older one, or a newer one whose head says
 * that libraries of this version must not go on.
 */
export async function checkSchema(pool: pg.Pool, schema: string): Promise<void> {
  const ledger = await readLedger(pool, schema);
  if (ledger === undefined) {
    throw new SchemaError(
      `The schema ${quoteIdentifier(schema)} holds no tables of millrace: ${RUN_MIGRATE}`,
    );
  }
  if (ledger.version < SCHEMA_VERSION) {
    throw new SchemaError(
      `The schema ${quoteIdentifier(schema)} is at version ${ledger.version}, ` +
        `this millrace needs ${SCHEMA_VERSION}: ${RUN_MIGRATE}`,
    );
  }
  refuseNewer(ledger, schema);
}

/** The SQL text that brings an empty database to this version, for those who run it themselves. */
export function migrationSql(schema: string): string {
  const steps = MIGRATIONS.map((migration) => stepSql(migration, schema));
  return [
    "begin;",
    `select pg_advisory_xact_lock(${lockKey(schema)});`,
    headSql(schema),
    ...steps,
    "commit;",
    "",
  ].join("\n");
}

async function migrateLocked(client: pg.ClientBase, schema: string): Promise<Migrated> {
  const ledger = await readLedger(client, schema);
  const from = ledger?.version ?? 0;
  if (ledger !== undefined) refuseNewer(ledger, schema);
  const steps = MIGRATIONS.filter(({ version }) => version > from);
  if (steps.length === 0) return { from, to: from };
  if (ledger === undefined) await client.query(headSql(schema));
  for (const step of steps) await patiently(client, stepSql(step, schema));
  return { from, to: SCHEMA_VERSION };
}

/** Runs a statement that the timeout of the pool must not end. */
async function patiently(
  client: pg.ClientBase,
  text: string,
  values: readonly unknown[] = [],
): Promise<void> {
  const query: TimedQuery = { text, values: [...values], query_timeout: STEP_TIMEOUT_MS };
  await client.query(query);
}

function headSql(schema: string): string {
  const quoted = quoteIdentifier(schema);
  return `create schema if not exists ${quoted};
create table ${quoted}.migrations (
    version     int         primary key,
    name        text        not null,
    min_version int         not null,
    applied_at  timestamptz not null default clock_timestamp()
);`;
}

function stepSql({ version, name, minVersion, sql }: Migration, schema: string): string {
  const names: Names = { schema: quoteIdentifier(schema), channel: quoteLiteral(channelOf(schema)) };
  return `-- Migration ${version}: ${name}
${sql(names).trim()}
insert into ${names.schema}.migrations (version, name, min_version)
  values (${version}, ${quoteLiteral(name)}, ${minVersion});`;
}

interface Ledger {
  readonly version: number;
  readonly minVersion: number;
}

/** The last line of the ledger, or `undefined` where there is no ledger. */
async function readLedger(db: Pick<pg.ClientBase, "query">, schema: string): Promise<Ledger | undefined> {
  const table = `${quoteIdentifier(schema)}.migrations`;
  const found = await db.query<{ found: boolean }>("select to_regclass($1) is not null as found", [table]);
  if (found.rows[0]?.found !== true) return undefined;
  const { rows } = await db.query<{ version: number | null; min_version: number | null }>(
    `select max(version) as version, max(min_version) as min_version from ${table}`,
  );
  return { version: rows[0]?.version ?? 0, minVersion: rows[0]?.min_version ?? 0 };
}

function refuseNewer({ version, minVersion }: Ledger, schema: string): void {
  if (minVersion <= SCHEMA_VERSION) return;
  throw new SchemaError(
    `The schema ${quoteIdentifier(schema)} is at version ${version}, made by a newer millrace, ` +
      `which needs libraries of version ${minVersion} or newer; this one has ${SCHEMA_VERSION}: ` +
      "update the package `millrace`",
  );
}

/** The key of the advisory lock: 63 bits of a hash, as a decimal text. */
function lockKey(schema: string): string {
  const hash = createHash("sha256").update(`millrace migrate ${schema}`).digest();
  return BigInt.asIntN(64, hash.readBigUInt64BE()).toString();
}
