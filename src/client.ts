import { randomUUID } from "node:crypto";
import type pg from "pg";
import { NEVER, ReplaySubject, Subject, defer, finalize, merge } from "rxjs";
import type { Observable } from "rxjs";
import { wakeUp } from "./core/arrival.ts";
import type { Arrival, DueHint } from "./core/arrival.ts";
import { ClosedError } from "./core/errors.ts";
import type { WorkerEvent } from "./core/events.ts";
import { MAX_PAYLOAD_BYTES } from "./core/payload.ts";
import type { JobSchemas, KindOf } from "./core/schema.ts";
import { checkClientOptions } from "./client-options.ts";
import type { ClientOptions } from "./client-options.ts";
import { enqueuing } from "./enqueuing.ts";
import type { EnqueueCalls } from "./enqueuing.ts";
import type { ClusterEventOf, EventsOptions } from "./events/cluster-event.ts";
import { clusterEvents } from "./events/postgres-events.ts";
import { delivered, spawn } from "./handle.ts";
import { checkKinds } from "./handlers.ts";
import type { WorkerHandle } from "./handle.ts";
import { idleSince } from "./idle-since.ts";
import { errorLog, loggerOf } from "./log.ts";
import { observing, whenOpen } from "./observing.ts";
import type { Observations } from "./observing.ts";
import { operating } from "./operating.ts";
import type { OperatorCalls } from "./operating.ts";
import { DEFAULTS } from "./options.ts";
import { QUERY_TIMEOUT_MS, configOf, openPool, runIn, transactIn } from "./postgres/database.ts";
import type { Database, RunSettings } from "./postgres/database.ts";
import { migrate } from "./postgres/migrate.ts";
import type { Migrated } from "./postgres/migrate.ts";
import { createSockets } from "./postgres/sockets.ts";
import { postgresStore } from "./postgres/store.ts";
import { guard } from "./rx/guard.ts";
import { createTurns } from "./rx/turns.ts";
import { isFatal, postgresWorker } from "./worker.ts";
import type { Orders, WorkerContext, WorkerOptions } from "./worker.ts";

/** Enqueues jobs, runs workers, and answers operators. */
export interface Client<Jobs extends JobSchemas>
  extends EnqueueCalls<Jobs>, OperatorCalls<Jobs>, Observations<Jobs>, AsyncDisposable {
  /**
   * Creates or updates the tables; does nothing where they are current. Any number of processes may
   * call it at once.
   *
   * @throws SchemaError when a newer millrace has made the tables.
   */
  readonly migrate: () => Promise<Migrated>;

  /**
   * A worker as a cold Observable: subscribing starts it, `stop$` drains it, it completes when it
   * is drained, unsubscribing aborts it, and it errors when it cannot go on.
   *
   * @throws OptionError at the call.
   */
  readonly worker: (options: WorkerOptions<Jobs>) => Observable<WorkerEvent<KindOf<Jobs>>>;

  /**
   * Starts a worker and resolves to its handle: when it has started, or when it is known that
   * Postgres cannot be reached yet (it goes on trying).
   *
   * @throws OptionError, SchemaError
   */
  readonly spawnWorker: (options: WorkerOptions<Jobs>) => Promise<WorkerHandle<KindOf<Jobs>>>;

  /**
   * The events of all workers of this schema, wherever they run, as a cold Observable: those that
   * match every member of the filter. The first subscriber of a client opens a connection that
   * listens, the last closes it, and workers publish only what somebody wants. Completes when the
   * client is closed. What is missed is told as a `gap`. With `from`, jobs whose result is kept are
   * read from the tables: each comes once, also those from before.
   *
   * With `types`, the type of what it emits is narrowed to these and `listening`, `deaf` and `gap`.
   *
   * Never errors without `from`. With it, errors with an `OptionError` for the cursor of another
   * schema, and with what no waiting mends, such as missing rights.
   *
   * @throws OptionError at the call, for options that break their rule and for what is no cursor.
   */
  readonly events: <Type extends WorkerEvent["type"] = WorkerEvent["type"]>(
    options?: EventsOptions<KindOf<Jobs>, Type>,
  ) => Observable<ClusterEventOf<Type, KindOf<Jobs>>>;

  /**
   * Shuts down its workers, spawned or subscribed, then closes the client's connections. Calls after
   * that reject with a `ClosedError`, and streams error with it when they are subscribed, also those
   * that were made before.
   *
   * It waits for the attempts that run: a handler must not await it, for it would wait for itself
   * until the drain timeout passes.
   */
  readonly close: () => Promise<void>;
}

/** How many connections enqueues and look-ups share, where the app gives no pool. */
const CALL_CONNECTIONS = 2;

/**
 * Makes a client. Opens no connection before the first call.
 *
 * @throws OptionError naming the option, its rule and what came.
 */
export function createClient<const Jobs extends JobSchemas>(options: ClientOptions<Jobs>): Client<Jobs> {
  checkClientOptions(options);
  const {
    schema = DEFAULTS.schema,
    jobs,
    maxAttempts = DEFAULTS.maxAttempts,
    maxPayloadBytes = MAX_PAYLOAD_BYTES,
  } = options;
  const { throughPooler = false } = options;
  const logger = loggerOf(options.logger);
  const config =
    options.pool === undefined ? { connectionString: options.connectionString } : configOf(options.pool);
  const readOnly$ = new Subject<void>();
  const settings = { throughPooler, onReadOnly: () => readOnly$.next() };
  const { run, transact, pool, stream, close: closePool } = callsOf(options.pool, config, settings);
  const store = postgresStore({ schema, claims: run, settles: run, leases: run, transact });
  const report = errorLog(logger, "error", "a subscriber of events threw");
  const turns = createTurns(idleSince);
  const cluster = clusterEvents({
    config: { ...config, stream },
    schema,
    run,
    readOnly$,
    report,
    throughPooler,
    turns,
  });
  const local$ = new Subject<Arrival | DueHint>();
  const sender = randomUUID().slice(0, 8);
  const context: WorkerContext = {
    config,
    schema,
    jobs,
    maxAttempts,
    logger,
    local$,
    sender,
    throughPooler,
  };
  const workers: Workers = new Set();
  const closing$ = new ReplaySubject<void>(1);
  let closing: Promise<void> | undefined;
  const open = (): void => {
    if (closing !== undefined) throw new ClosedError("The client is closed: make a new one");
  };

  const defaults = { jobs, maxAttempts, maxPayloadBytes, keepResultMs: options.keepResultMs };
  const enqueues = enqueuing<Jobs>({ store, run, schema, sender, defaults, local$, open });
  const operations = operating<Jobs>({
    store,
    jobs,
    wake: (queues) => local$.next(wakeUp(queues)),
    open,
  });
  const observations = observing<Jobs>({
    store,
    events: cluster.event$,
    changed$: merge(local$, operations.changed$),
    isFatal,
    report,
    failed: errorLog(logger, "warn", "looking at jobs failed, and is tried again"),
    open,
  });
  const close = async (): Promise<void> => {
    closing$.next();
    await Promise.all(workers);
    observations.close();
    await enqueues.idle();
    await cluster.close();
    await closePool();
  };

  const client: Client<Jobs> = {
    ...enqueues.calls,
    ...operations.calls,
    ...observations.calls,
    migrate: async () => {
      open();
      return migrate(pool, schema);
    },
    worker: (workerOptions) => {
      const worker$ = postgresWorker(context, workerOptions, { shutdown$: closing$, abort$: NEVER });
      // Each subscriber has a worker of its own.
      const event$ = defer(() => kept(workers, open, worker$).pipe(delivered(turns)));
      return guard(event$, report) as Observable<WorkerEvent<KindOf<Jobs>>>;
    },
    spawnWorker: async (workerOptions) => {
      open();
      const start = ({ shutdown$, abort$ }: Orders): Observable<WorkerEvent> =>
        kept(
          workers,
          open,
          postgresWorker(context, workerOptions, { shutdown$: merge(shutdown$, closing$), abort$ }),
        );
      return (await spawn(start, { turns, report })) as WorkerHandle<KindOf<Jobs>>;
    },
    events: <Type extends WorkerEvent["type"]>(eventsOptions?: EventsOptions<KindOf<Jobs>, Type>) => {
      const event$ = cluster.event$(eventsOptions);
      checkKinds(jobs, eventsOptions?.kinds);
      return guard(whenOpen(open, event$), report) as Observable<ClusterEventOf<Type, KindOf<Jobs>>>;
    },
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => client.close(),
  };
  return client;
}

/** Workers that run or start, each until it has ended. */
type Workers = Set<Promise<void>>;

/** Keeps a worker among those that closing waits for, from its subscription to its end. */
function kept<T>(workers: Workers, open: () => void, event$: Observable<T>): Observable<T> {
  return defer(() => {
    open();
    let end: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    workers.add(ended);
    return event$.pipe(
      finalize(() => {
        workers.delete(ended);
        end?.();
      }),
    );
  });
}

/** Where enqueues and look-ups go: the app's pool, or a small one of our own. */
function callsOf(pool: pg.Pool | undefined, config: pg.PoolConfig, settings: RunSettings): Database {
  if (pool === undefined) {
    return openPool(config, { max: CALL_CONNECTIONS, applicationName: "millrace calls", ...settings });
  }
  const sockets = createSockets();
  const limited = { ...settings, callTimeoutMs: QUERY_TIMEOUT_MS };
  // An idle connection that dies ends the process when nobody listens.
  if (pool.listenerCount("error") === 0) pool.on("error", () => undefined);
  return {
    pool,
    run: runIn(pool, limited),
    transact: transactIn(pool, limited),
    stream: sockets.open,
    close: async () => {
      await sockets.closed();
    },
  };
}
