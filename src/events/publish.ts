import {
  EMPTY,
  ReplaySubject,
  Subject,
  catchError,
  concat,
  defer,
  filter,
  from,
  ignoreElements,
  merge,
  of,
  repeat,
  switchMap,
  take,
  takeUntil,
  tap,
  timer,
} from "rxjs";
import type { MonoTypeOperatorFunction, Observable, ObservableInput } from "rxjs";
import { toErrorRecord } from "../core/error-record.ts";
import type { WorkerEvent } from "../core/events.ts";
import { gatherMap } from "../rx/gather-map.ts";
import { retryBackoff } from "../rx/retry-backoff.ts";
import type { EventFilter } from "./cluster-event.ts";
import { createOutbox } from "./outbox.ts";
import type { Outbox } from "./outbox.ts";

/** What publishing needs. */
export interface PublishSetup {
  /** Names this row of events, as no other. */
  readonly stream: string;
  /** The worker's label. */
  readonly label: string;
  /** Reads what is wanted by whoever listens. Nothing is published while that is nothing. */
  readonly look: () => ObservableInput<readonly EventFilter[]>;
  /**
   * Says that somebody began or ceased to listen: look now, and keep until that is answered what
   * happens meanwhile. Must not error.
   */
  readonly hint$: Observable<unknown>;
  /** Sends texts as notifications, in one transaction. */
  readonly send: (texts: readonly string[]) => ObservableInput<unknown>;
  /** Milliseconds between looks, for hints can be lost. Default 5,000. */
  readonly lookIntervalMs?: number;
  /** Milliseconds before try number `n` after a failure, from 1. */
  readonly delayMs: (n: number) => number;
  /** From 0 up to 1, so that workers do not look all at once. */
  readonly random: () => number;
}

const LOOK_INTERVAL_MS = 5_000;

/** The most events that wait while Postgres does not answer. */
const LIMIT = 20_000;

/** After so many failures, some ten seconds, a batch is given up: it may be the reason. */
const MAX_TRIES = 10;

/**
 * How long to wait after a batch before the next, so that the load of publishing grows with the
 * logarithm of that of jobs rather than with it: see `bench/events.ts`.
 */
const PAUSE = { minMs: 2, maxMs: 10, eventsPerMs: 50 };

/** How long the last events of a worker that ends may take. */
const LAST_MS = 500;

/**
 * Publishes the events that pass, while somebody listens; passes all of them on at once, whatever
 * becomes of publishing.
 *
 * ```text
 * event$   s-abcd--e------|
 * look     ==w                  w: what is wanted, from the first `started` on
 * send        ==(abcd)
 *                 ==e           what gathered while the last was sent
 * result   s-abcd--e------|
 * ```
 *
 * What cannot be sent waits and is tried again; of more than 20,000 events that wait the oldest are
 * dropped, which subscribers see by the numbers. The first failure of a row is told as
 * `publish-failed`. Completes when the source has, and what waits was sent or 500 ms have passed.
 */
export function publish(setup: PublishSetup): MonoTypeOperatorFunction<WorkerEvent> {
  return (event$) =>
    defer(() => {
      const outbox = createOutbox({ ...setup, limit: LIMIT });
      const started$ = new Subject<void>();
      const ended$ = new ReplaySubject<void>(1);
      const ready$ = new Subject<void>();
      const wake = (): void => {
        if (outbox.isReady()) ready$.next();
      };

      const passed$ = event$.pipe(
        tap({
          next: (event) => {
            const waits = outbox.isReady();
            put(outbox, event);
            if (!waits) wake();
            if (event.type === "started") started$.next();
          },
          complete: () => {
            ended$.next();
            // No look will come any more: what was held goes to those that were known.
            outbox.want(undefined);
            wake();
            ready$.complete();
          },
        }),
      );
      const looked$ = started$.pipe(
        take(1),
        switchMap(() => looks(setup, outbox, wake)),
        takeUntil(ended$),
      );
      const sent$ = ready$.pipe(
        gatherMap(() => sends(setup, outbox, ended$)),
        takeUntil(ended$.pipe(switchMap(() => timer(LAST_MS)))),
      );
      return merge(sent$, looked$, passed$);
    });
}

/** An event that cannot be written is not published, and that is all. */
function put(outbox: Outbox, event: WorkerEvent): void {
  try {
    outbox.put(event);
  } catch {
    // Only what the app reported as progress could do this.
  }
}

/** Looks what is wanted: at once, at each hint, and in intervals. Tells the first failure of a row. */
function looks(
  { look, hint$, lookIntervalMs = LOOK_INTERVAL_MS, random }: PublishSetup,
  outbox: Outbox,
  wake: () => void,
): Observable<WorkerEvent> {
  return defer(() => {
    let fails = false;
    const tick$ = defer(() => timer(lookIntervalMs * (0.8 + 0.4 * random()))).pipe(repeat());
    const hinted$ = hint$.pipe(tap(() => outbox.hold()));
    return merge(of(undefined), hinted$, tick$).pipe(
      gatherMap(() =>
        defer(() => from(look())).pipe(
          tap((filters) => {
            fails = false;
            outbox.want(filters);
            wake();
          }),
          ignoreElements(),
          catchError((error: unknown) => {
            outbox.want(undefined);
            wake();
            if (fails) return EMPTY;
            fails = true;
            return of(failed(error, lookIntervalMs));
          }),
        ),
      ),
    );
  });
}

/** Sends what waits, again when it fails, and pauses after it. Tells the first failure. */
function sends(
  { send, delayMs }: PublishSetup,
  outbox: Outbox,
  ended$: Observable<unknown>,
): Observable<WorkerEvent> {
  let tries = 0;
  const sent$ = defer((): Observable<never> => {
    if (!outbox.isReady()) return EMPTY;
    const batch = outbox.take();
    const { length } = batch.entries;
    const pauseMs = Math.min(PAUSE.maxMs, Math.max(PAUSE.minMs, length / PAUSE.eventsPerMs));
    return concat(
      defer(() => from(send(batch.texts))).pipe(
        ignoreElements(),
        tap({
          error: () => {
            tries += 1;
            if (tries < MAX_TRIES) outbox.putBack(batch);
            else tries = 0;
          },
        }),
      ),
      timer(pauseMs).pipe(takeUntil(ended$), ignoreElements()),
    );
  });
  return sent$.pipe(
    retryBackoff({
      delayMs,
      report: (error, retryInMs): WorkerEvent => failed(error, retryInMs),
    }),
    filter((_, index) => index === 0),
  );
}

function failed(error: unknown, retryInMs: number): WorkerEvent {
  return { type: "publish-failed", error: toErrorRecord(error), retryInMs };
}
