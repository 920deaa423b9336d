import type { Socket } from "node:net";
import pg from "pg";
import { withoutValues } from "./database-error.ts";
import type { Statement } from "./statements/statement.ts";
import { discardIdle, isReadOnly } from "./read-only.ts";
import { createSockets } from "./sockets.ts";
import type { Sockets } from "./sockets.ts";
import { withClient } from "./with-client.ts";

/**
 * Runs one statement in a READ COMMITTED transaction of its own and answers with its rows.
 *
 * @throws SchemaError when a table, column or function is missing.
 * @throws Error with the `code` of Postgres and no values, or what the connection failed with.
 */
export type Run = <Row extends pg.QueryResultRow>(
  statement: Statement,
  values?: readonly unknown[],
) => Promise<readonly Row[]>;

/**
 * Runs statements in one READ COMMITTED transaction, which commits when `work` is done. Where that fails
 * nothing is written.
 */
export type Transact = <T>(work: (run: Run) => Promise<T>) => Promise<T>;

/** A pool of connections of the library's own. */
export interface Database {
  readonly run: Run;
  readonly transact: Transact;
  /** The pool itself, for what needs several statements in a row. */
  readonly pool: pg.Pool;
  /** Makes the socket of a connection beside the pool, for which `close` waits as well. */
  readonly stream: () => Socket;
  /** Closes every connection. Takes at most some seconds, even when the server does not answer. */
  readonly close: () => Promise<void>;
}

/** Settings of what runs statements. */
export interface RunSettings {
  /**
   * Whether a pooler in transaction mode stands between: it refuses startup parameters, and before
   * version 1.21 of PgBouncer prepared statements. Default false.
   */
  readonly throughPooler?: boolean;
  /**
   * Milliseconds until a connection is no longer waited for, and until a statement is given up, where the
   * pool has no such limits, for it is the app's. Default: the pool's.
   */
  readonly callTimeoutMs?: number;
  /**
   * Called when the server refused a write because it takes reads only, as the old primary does after
   * a failover. The pool has none of its idle connections any more then.
   */
  readonly onReadOnly?: () => void;
}

/** Settings of `openPool`. */
export interface PoolSettings extends RunSettings {
  /** How many connections there are at most, from 1. */
  readonly max: number;
  /**
   * Plans each statement once for all values, as those of a worker are made for. By itself Postgres plans
   * a statement anew for each short array: an outcome written alone took 0.8 ms of planning and 0.1 ms of
   * work. And never by a bitmap of an index: where only dead rows stood in `pending` when it was last
   * counted, Postgres would gather all of them at each claim and poll, and mark none as dead. Default false.
   */
  readonly plansOnce?: boolean;
  /** What `pg_stat_activity` shows; cut to 63 bytes by Postgres. */
  readonly applicationName: string;
  /** Milliseconds until a statement is given up by the client. The server gives up a little earlier. */
  readonly queryTimeoutMs?: number;
}

/** How long a statement may take, in milliseconds. */
export const QUERY_TIMEOUT_MS = 30_000;

/** The share of `queryTimeoutMs` that the server has, so that its own, clearer error comes first. */
const SERVER_SHARE = 0.9;

const CONNECT_TIMEOUT_MS = 10_000;

/** Longer than any heartbeat's interval at the default lease, so that connections stay. */
const IDLE_TIMEOUT_MS = 60_000;

const KEEP_ALIVE_DELAY_MS = 10_000;

/** For the startup packet. */
const PLAN_ONCE = "-c plan_cache_mode=force_generic_plan -c enable_bitmapscan=off";

/** How long `close` waits for the server before it drops the sockets. */
const CLOSE_TIMEOUT_MS = 3_000;

/**
 * Opens a pool whose connections never end the process and never hang: an idle connection that dies
 * is dropped, a dead peer is noticed by keepalive or by the timeout of a query.
 */
export function openPool(config: pg.PoolConfig, settings: PoolSettings): Database {
  const { max, applicationName, queryTimeoutMs = QUERY_TIMEOUT_MS, throughPooler = false } = settings;
  const plansOnce = settings.plansOnce === true && !throughPooler;
  const sockets = createSockets();
  const pool = new pg.Pool({
    ...config,
    ...(plansOnce ? { options: `${config.options ?? ""} ${PLAN_ONCE}` } : {}),
    max,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    // Idle connections alone keep no process alive.
    allowExitOnIdle: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    query_timeout: queryTimeoutMs,
    statement_timeout: throughPooler ? false : Math.ceil(queryTimeoutMs * SERVER_SHARE),
    stream: sockets.open,
  });
  neverCrash(pool);
  const close = (): Promise<void> => closePool(pool, sockets);
  const [run, transact] = [runIn(pool, settings), transactIn(pool, settings)];
  return { run, transact, pool, stream: sockets.open, close };
}

/**
 * The connection settings of an app's pool, for connections of the library's own beside it. Its
 * password and key are not enumerable, so they are copied by name.
 */
export function configOf(pool: pg.Pool): pg.PoolConfig {
  const { password, ssl, user, database, host, port, connectionString, options } = pool.options;
  const { sslnegotiation, enableChannelBinding } = pool.options;
  const given = { password, ssl, user, database, host, port, connectionString, options };
  const all = { ...given, sslnegotiation, enableChannelBinding };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/**
 * Makes a pool survive connections that die: idle ones report to the pool, borrowed ones to
 * themselves, and either ends the process when nobody listens. Their queries fail anyway.
 */
function neverCrash(pool: pg.Pool): void {
  pool.on("error", ignore);
  pool.on("connect", (client) => client.on("error", ignore));
}

function ignore(): void {
  // The query that was under way, or the next one, reports it.
}

/** A `Run` over a pool, which may be the app's own. */
export function runIn(pool: pg.Pool, settings: RunSettings = {}): Run {
  let pins: boolean | undefined;
  return async <Row extends pg.QueryResultRow>(
    statement: Statement,
    values: readonly unknown[] = [],
  ): Promise<readonly Row[]> => {
    const work = async (client: pg.PoolClient): Promise<readonly Row[]> => {
      const ask = (): Promise<pg.QueryResult<Row>> => client.query<Row>(queryOf(statement, values, settings));
      pins ??= await needsPinning(client, settings);
      return (await (pins ? readCommitted(client, settings, ask) : ask())).rows;
    };
    try {
      return await withClient(pool, work, settings.callTimeoutMs);
    } catch (error) {
      throw told(error, statement, { pool, ...settings });
    }
  };
}

/** A `Transact` over a pool, which may be the app's own. */
export function transactIn(pool: pg.Pool, settings: RunSettings = {}): Transact {
  return (work) =>
    inReadCommitted(pool, settings, (client) =>
      work(async <Row extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[] = []) => {
        try {
          return (await client.query<Row>(queryOf(statement, values, settings))).rows;
        } catch (error) {
          throw told(error, statement, { pool, ...settings });
        }
      }),
    );
}

/** Does `work` in a READ COMMITTED transaction on a connection of a pool, which may be the app's own. */
export async function inReadCommitted<T>(
  pool: pg.Pool,
  settings: RunSettings,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  return withClient(
    pool,
    (client) => readCommitted(client, settings, () => work(client)),
    settings.callTimeoutMs,
  );
}

/** What is thrown for an error. Where the server takes reads only, its other connections are left, too. */
function told(
  error: unknown,
  statement: Statement,
  { pool, onReadOnly }: RunSettings & { readonly pool: pg.Pool },
): unknown {
  if (isReadOnly(error)) {
    discardIdle(pool);
    onReadOnly?.();
  }
  return withoutValues(error, statement);
}

/** A query with a timeout of its own, which `pg` knows and its types do not. */
export type TimedQuery = pg.QueryConfig<unknown[]> & { readonly query_timeout?: number };

/** A statement is prepared under its name, but not through a pooler. */
function queryOf(
  { name, text }: Statement,
  values: readonly unknown[],
  { throughPooler = false, callTimeoutMs }: RunSettings,
): TimedQuery {
  const limit = callTimeoutMs === undefined ? {} : { query_timeout: callTimeoutMs };
  return { ...(throughPooler ? {} : { name }), text, values: [...values], ...limit };
}

/** Asks whether transactions of this role are something else than READ COMMITTED by default. */
async function needsPinning(client: pg.PoolClient, settings: RunSettings): Promise<boolean> {
  const text = "show default_transaction_isolation";
  const { rows } = await client.query<pg.QueryResultRow>(queryOf({ name: "", text }, [], settings));
  return rows[0]?.["default_transaction_isolation"] !== "read committed";
}

async function readCommitted<T>(
  client: pg.PoolClient,
  settings: RunSettings,
  work: () => Promise<T>,
): Promise<T> {
  const say = (text: string): Promise<unknown> => client.query(queryOf({ name: "", text }, [], settings));
  await say("begin isolation level read committed");
  const result = await work();
  await say("commit");
  return result;
}

async function closePool(pool: pg.Pool, sockets: Sockets): Promise<void> {
  const timer = setTimeout(sockets.destroy, CLOSE_TIMEOUT_MS);
  try {
    await pool.end();
    await sockets.closed();
  } finally {
    clearTimeout(timer);
  }
}
