import type { ClientConfig, Pool } from "pg";
import { defer, filter, firstValueFrom, repeat, timeout } from "rxjs";
import type { ListenOptions } from "../../src/postgres/listen.ts";

/** A database as the tests of `listen` see it: from another connection than the one that listens. */
export interface ListenDatabase {
  /** Connects under this `application_name`, through `port` where a proxy stands in between. */
  connection(name: string, port?: number): ClientConfig;
  readonly notify: (channel: string, payload: string) => Promise<unknown>;
  /** Options for tests: quick to notice and quick to return. */
  options(name: string, port?: number): ListenOptions;
  /** The processes of the server that serve this `application_name`. */
  pids(name: string): Promise<readonly number[]>;
  /** Terminates them. */
  terminate(name: string): Promise<unknown>;
  /** Waits until none is left. */
  gone(name: string): Promise<void>;
}

/** @param pool The other side. */
export function listenDatabase(connectionString: string, pool: Pool): ListenDatabase {
  const connection: ListenDatabase["connection"] = (name, port) => {
    const url = new URL(connectionString);
    if (port !== undefined) url.port = String(port);
    return { connectionString: url.href, application_name: name };
  };
  const notify = (channel: string, payload: string): Promise<unknown> =>
    pool.query("select pg_notify($1, $2)", [channel, payload]);
  const pids = async (name: string): Promise<readonly number[]> => {
    const { rows } = await pool.query<{ pid: number }>(
      "select pid from pg_stat_activity where application_name = $1",
      [name],
    );
    return rows.map(({ pid }) => pid);
  };
  return {
    connection,
    notify,
    options: (name, port) => ({
      connection: { ...connection(name, port), connectionTimeoutMillis: 1_000 },
      channel: name,
      notify,
      watchdogIntervalMs: 200,
      watchdogTimeoutMs: 200,
      backoff: { initialMs: 5, factor: 2, maxMs: 50, jitter: 0.5 },
    }),
    pids,
    terminate: (name) =>
      pool.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", [
        name,
      ]),
    gone: async (name) => {
      const count$ = defer(() => pids(name)).pipe(repeat({ delay: 10 }));
      await firstValueFrom(
        count$.pipe(
          filter(({ length }) => length === 0),
          timeout(10_000),
        ),
      );
    },
  };
}
