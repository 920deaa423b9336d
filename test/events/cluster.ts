import type pg from "pg";
import { ReplaySubject, Subject, filter, firstValueFrom, mergeMap, share, tap, timeout } from "rxjs";
import type { Observable } from "rxjs";
import { onTestFinished } from "vitest";
import type { WorkerEvent } from "../../src/core/events.ts";
import { clusterEvents, isLookHint, publishEvents } from "../../src/events/postgres-events.ts";
import type { ClusterEventsSetup } from "../../src/events/postgres-events.ts";
import type { PublishMode } from "../../src/events/cluster-event.ts";
import type { ClusterEvents } from "../../src/events/share-events.ts";
import { arrayLiteral } from "../../src/postgres/array-literal.ts";
import { channelOf, eventsChannelOf } from "../../src/postgres/channel.ts";
import type { Run } from "../../src/postgres/database.ts";
import { listen } from "../../src/postgres/listen.ts";
import { statements } from "../../src/postgres/statements.ts";
import { idleSince } from "../../src/idle-since.ts";
import { createTurns } from "../../src/rx/turns.ts";
import { usePostgres } from "../support/postgres.ts";
import type { TestDatabase } from "../support/postgres.ts";

/** A stand-in for a worker: says what the test tells it to say, and publishes that as workers do. */
export interface TestWorker {
  readonly say: (...events: readonly WorkerEvent[]) => void;
  /** What came out of the operator. */
  readonly passed: readonly WorkerEvent[];
  /** Resolves when it has looked, from now on, and found so many filters. */
  readonly looked: (found: number) => Promise<unknown>;
  /** Resolves when it was last told to look since it was made, or when that happens. */
  readonly hinted: () => Promise<unknown>;
  /** Ends it as a worker ends; resolves when its stream has completed. */
  readonly end: () => Promise<void>;
}

/** How a stand-in differs from the default. */
export interface TestWorkerOptions {
  readonly mode?: PublishMode;
  /** Whether it hears that it should look. Default true. */
  readonly hinted?: boolean;
  readonly lookIntervalMs?: number;
  /** Stands before the statements that it runs. */
  readonly wrap?: (run: Run) => Run;
}

/** How a client differs from the default. */
export type TestClientOptions = Partial<
  Pick<ClusterEventsSetup, "config" | "leaseMs" | "readIntervalMs" | "report" | "run">
>;

/** Everything that the tests of events share. */
export interface Cluster {
  readonly database: TestDatabase;
  readonly worker: (label: string, options?: TestWorkerOptions) => TestWorker;
  /** The events of the cluster as another client has them. */
  readonly client: (options?: TestClientOptions) => ClusterEvents;
  /** All notifications of events from now on, until the test is over. */
  readonly notifications: () => Promise<readonly string[]>;
  readonly notify: (payload: string) => Promise<unknown>;
  /** How many connections listen for subscribers. */
  readonly listeners: () => Promise<number>;
  /** How many processes have an entry. */
  readonly entries: () => Promise<number>;
  readonly terminate: () => Promise<unknown>;
}

/** The connections that listen for subscribers of this file: other files have theirs on the same server. */
const LISTENERS = "application_name = 'millrace events' and datname = current_database()";

/** Gives a test file a database and what speaks over it. */
export function useCluster(): Cluster {
  const database = usePostgres();
  const count = async (text: string): Promise<number> => {
    const { rows } = await database.pool.query<{ count: number }>(
      `select count(*)::int as count from ${text}`,
    );
    return rows[0]?.count ?? -1;
  };
  const config = (): pg.PoolConfig => ({ connectionString: database.connectionString });

  const worker: Cluster["worker"] = (
    label,
    { mode = "auto", hinted = true, lookIntervalMs, wrap = (run: Run) => run } = {},
  ) => {
    const { run } = database.open({ max: 3 });
    const said$ = new Subject<WorkerEvent>();
    const looks$ = new Subject<number>();
    const hinted$ = new ReplaySubject<unknown>(1);
    const done$ = new ReplaySubject<void>(1);
    const passed: WorkerEvent[] = [];
    const sql = statements("millrace");
    const watched = (async (statement, values) => {
      const rows = await wrap(run)(statement, values);
      if (statement.name === sql.subscribers.name) {
        const found = (rows as unknown as { filters: unknown[] }[]).flatMap(({ filters }) => filters).length;
        queueMicrotask(() => looks$.next(found));
      }
      return rows;
    }) as Run;
    const hint$: Observable<unknown> = listen({
      connection: { ...config(), application_name: `millrace listen ${label}` },
      channel: channelOf("millrace"),
      notify: (channel, payload) => run(sql.notify, [channel, arrayLiteral([payload])]),
    }).pipe(
      filter(
        (event) =>
          event.type === "listen-restored" || (event.type === "notified" && isLookHint(event.payload)),
      ),
      tap((event) => event.type === "notified" && hinted$.next(event)),
      share(),
    );
    const publishing$ = said$.pipe(
      publishEvents({
        mode,
        schema: "millrace",
        label,
        run: watched,
        hint$: hinted ? hint$ : said$.pipe(mergeMap(() => [])),
        ...(lookIntervalMs === undefined ? {} : { lookIntervalMs }),
      }),
      tap((event) => passed.push(event)),
    );
    const subscription = publishing$.subscribe({ complete: () => done$.next() });
    onTestFinished(() => subscription.unsubscribe());
    return {
      say: (...events) => {
        for (const event of events) said$.next(event);
      },
      passed,
      looked: async (found) =>
        firstValueFrom(
          looks$.pipe(
            filter((now) => now === found),
            timeout(10_000),
          ),
        ),
      hinted: async () => firstValueFrom(hinted$.pipe(timeout(10_000))),
      end: async () => {
        said$.complete();
        await firstValueFrom(done$.pipe(timeout(5_000)));
      },
    };
  };

  const client: Cluster["client"] = (options = {}) => {
    const { run } = database.open({ max: 2 });
    const events = clusterEvents({
      config: config(),
      schema: "millrace",
      run,
      report: () => undefined,
      turns: createTurns(idleSince),
      ...options,
    });
    onTestFinished(() => events.close());
    return events;
  };

  const notifications: Cluster["notifications"] = async () => {
    const listener = await database.client();
    const heard: string[] = [];
    listener.on("notification", ({ payload }) => {
      if (payload !== undefined && payload.startsWith("[")) heard.push(payload);
    });
    await listener.query(`listen "${eventsChannelOf("millrace")}"`);
    return heard;
  };

  return {
    database,
    worker,
    client,
    notifications,
    notify: (payload) =>
      database.pool.query("select pg_notify($1, $2)", [eventsChannelOf("millrace"), payload]),
    listeners: () => count(`pg_stat_activity where ${LISTENERS}`),
    entries: () => count("millrace.subscribers"),
    terminate: () =>
      database.pool.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${LISTENERS}`),
  };
}
