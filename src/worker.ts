import {
  NEVER,
  ReplaySubject,
  Subject,
  catchError,
  concat,
  connect,
  defer,
  filter,
  finalize,
  ignoreElements,
  isObservable,
  merge,
  of,
  take,
  tap,
} from "rxjs";
import type { Observable } from "rxjs";
import type { PoolConfig } from "pg";
import type { Arrival, DueHint } from "./core/arrival.ts";
import { backoffDelay } from "./core/backoff.ts";
import { checkOptions, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import { toErrorRecord } from "./core/error-record.ts";
import { SchemaError } from "./core/errors.ts";
import type { WorkerEvent } from "./core/events.ts";
import type { ClaimedJob } from "./core/job.ts";
import type { JobSchemas } from "./core/schema.ts";
import { checkTransaction } from "./job-options.ts";
import { publishEvents } from "./events/postgres-events.ts";
import { resolveHandlers } from "./handlers.ts";
import type { ClaimedJobOf, Handlers, JobOf } from "./handlers.ts";
import { attemptLogger, logEvents } from "./log.ts";
import type { Logger } from "./log.ts";
import { WORKER_RULES, resolveSettings } from "./settings.ts";
import type { WorkerSettings } from "./options.ts";
import type { Database } from "./postgres/database.ts";
import { checkSchema } from "./postgres/migrate.ts";
import { statements } from "./postgres/statements.ts";
import { postgresStore } from "./postgres/store.ts";
import { completeIn } from "./postgres/transaction.ts";
import { isTransient } from "./postgres/transient.ts";
import { isolate } from "./rx/isolate.ts";
import { retryBackoff } from "./rx/retry-backoff.ts";
import { withCompanion } from "./rx/with-companion.ts";
import { openDatabases } from "./worker-databases.ts";
import { isHint, isNews, noticesOf } from "./worker-notices.ts";
import { STORE_BACKOFF } from "./worker-stages.ts";
import { tellFailure, workerStream } from "./worker-stream.ts";

/** Options of a worker. */
export interface WorkerOptions<Jobs extends JobSchemas> extends WorkerSettings<
  ClaimedJobOf<Jobs>,
  JobOf<Jobs>
> {
  /** What does the work, by kind. The worker claims only these kinds. */
  readonly handlers: Handlers<Jobs>;
  /** Its first value (or its error) begins the shutdown, as `shutdown()` of a handle does. */
  readonly stop$?: Observable<unknown> | undefined;
}

/** What a worker gets from its client. */
export interface WorkerContext {
  readonly config: PoolConfig;
  readonly schema: string;
  readonly jobs: JobSchemas;
  readonly maxAttempts: number;
  readonly logger: Logger;
  /** What this process enqueued itself: no need to wait for the notification. */
  readonly local$: Observable<Arrival | DueHint>;
  /** The sender that notifications of these name. */
  readonly sender: string;
  /** Whether a pooler in transaction mode stands between. */
  readonly throughPooler: boolean;
}

/** Orders from outside: each emits once, and again to late subscribers. */
export interface Orders {
  readonly shutdown$: Observable<unknown>;
  readonly abort$: Observable<unknown>;
}

/** What makes no sense to try again once it ran: a wrong password, no such database, no rights. */
const FATAL_STATES: ReadonlySet<string> = new Set(["28000", "28P01", "3D000", "42501"]);

const OPTION_RULES: Readonly<Record<string, Rule>> = {
  ...WORKER_RULES,
  handlers: rule("an object of kinds and their handlers", (value) => typeof value === "object"),
  stop$: rule("an Observable", isObservable),
};

/**
 * The worker over Postgres, the only place where the stages and Postgres meet. Cold: subscribing
 * opens its connections (five at most: one that listens, one for the heartbeat, three for claims,
 * outcomes and recoveries), and none is left when it completes.
 *
 * @throws OptionError at the call, before anything is opened.
 */
export function postgresWorker<Jobs extends JobSchemas>(
  context: WorkerContext,
  options: WorkerOptions<Jobs>,
  orders: Orders = { shutdown$: NEVER, abort$: NEVER },
): Observable<WorkerEvent> {
  checkOptions("worker options", options, OPTION_RULES);
  const { handlers, stop$ = NEVER, ...rest } = options;
  const settings = resolveSettings(rest as WorkerSettings);
  const { kinds, handlerOf, prepare } = resolveHandlers(context.jobs, handlers);
  const { logger, schema, maxAttempts } = context;
  const isDeaf = context.throughPooler && rest.listen === undefined;
  const sql = statements(schema);

  return defer(() => {
    const { abort$ } = orders;
    const shutdown$ = new ReplaySubject<unknown>(1);
    /** Who listens to events may have changed. */
    const look$ = new Subject<void>();
    const { work, leases, readOnly$, close } = openDatabases(context, settings);
    const setup = {
      store: postgresStore({ schema, claims: work.run, settles: work.run, leases: leases.run }),
      settings,
      kinds,
      maxAttempts,
      handlers: {
        handlerOf,
        prepare,
        logOf: (job: ClaimedJob) => attemptLogger(logger, settings.label, job),
      },
      completeIn: async (tx: unknown, workerId: string, job: ClaimedJob) => {
        checkTransaction(tx);
        return completeIn(tx, sql, { workerId, claim: job });
      },
      shutdown$,
      abort$,
      isFatal,
      random: Math.random,
    };
    const checked$ = schemaChecked(work, schema, merge(shutdown$, abort$));
    const notice$ = noticesOf({ ...context, settings, work, renew$: readOnly$, look$, isDeaf });
    const event$ = merge(context.local$, notice$).pipe(
      connect((arrival$) =>
        workerStream({ ...setup, notify$: arrival$.pipe(filter(isHint)) }).pipe(
          // Beside the incarnations, which come and go: between two of them nobody would hear it.
          withCompanion(arrival$.pipe(filter(isNews))),
        ),
      ),
      publishEvents({ mode: settings.publish, schema, label: settings.label, run: work.run, hint$: look$ }),
    );
    const told$ = merge(
      orders.shutdown$,
      isolate(stop$).pipe(catchError((error: unknown) => of(error))),
    ).pipe(take(1), tap(shutdown$), ignoreElements());
    const running$ = concat(checked$.pipe(tellFailure()), event$).pipe(
      withCompanion(told$),
      logEvents(logger, settings.label),
    );
    return concat(running$, defer(close).pipe(ignoreElements())).pipe(finalize(() => void close()));
  });
}

/**
 * Checks the schema before anything else, again and again while Postgres cannot be reached. What
 * does not pass by itself ends the start: a wrong password, a server without TLS, a missing table.
 */
function schemaChecked(work: Database, schema: string, stop$: Observable<unknown>): Observable<WorkerEvent> {
  return defer(() => checkSchema(work.pool, schema)).pipe(
    ignoreElements(),
    retryBackoff({
      delayMs: (n) => backoffDelay(STORE_BACKOFF, n, Math.random()),
      fatal: (error) => !isTransient(error),
      giveUp$: stop$,
      report: (error, retryInMs): WorkerEvent => ({
        type: "start-failed",
        error: toErrorRecord(error),
        retryInMs,
      }),
    }),
  );
}

/** Whether trying again makes no sense: a schema that does not fit, a wrong password, no rights. */
export function isFatal(error: unknown): boolean {
  if (error instanceof SchemaError) return true;
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" && FATAL_STATES.has(code);
}
