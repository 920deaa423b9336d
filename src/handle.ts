import { ReplaySubject, Subject } from "rxjs";
import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import { isSettledLeak } from "./core/events.ts";
import type { JobRef, WorkerEvent } from "./core/events.ts";
import { deliver } from "./rx/deliver.ts";
import { guard } from "./rx/guard.ts";
import type { Turns } from "./rx/turns.ts";
import type { Orders } from "./worker.ts";

/** How a worker ended. */
export interface ShutdownResult<Kind extends string = string> {
  /**
   * `drained`: everything that ran has finished. `timeout`: the drain timeout passed first.
   * `aborted`: `abort()` was called. `failed`: the worker could not go on, see `error`.
   */
  readonly outcome: "drained" | "timeout" | "aborted" | "failed";
  /** The attempts that were told to end because the drain timeout passed. */
  readonly interrupted: readonly JobRef<Kind>[];
  /** Those that did not end, or were not written: they stay claimed until the lease runs out. */
  readonly leaked: readonly JobRef<Kind>[];
  /** Why it failed. */
  readonly error?: unknown;
}

/** A running worker. May be held in many places. */
export interface WorkerHandle<Kind extends string = string> extends AsyncDisposable {
  /**
   * What happens in the worker, from now on. Hot; completes when the worker has ended, never
   * errors. A subscriber that throws or is slow does not harm the worker: what it throws is logged,
   * and of more than 10,000 events that wait for it the oldest are dropped (`events-dropped`). All
   * subscribers of a client get a seventh of the thread, while anything else wants it.
   */
  readonly event$: Observable<WorkerEvent<Kind>>;
  /** Fires when the worker begins to stop, however that came, for the app's own subtasks. */
  readonly signal: AbortSignal;
  /** Whether `shutdown` or `abort` was called, or the worker has ended. */
  readonly isShuttingDown: boolean;
  /**
   * Stops: claims no more, gives back what has not begun, lets running attempts finish for at most
   * `drainTimeoutMs`, then interrupts them. Every call, whenever it comes, gets the same result.
   * Never rejects.
   */
  readonly shutdown: () => Promise<ShutdownResult<Kind>>;
  /**
   * Stops without waiting for attempts, also during `shutdown()`: only the outcomes of those that have
   * ended are still written, for at most `abortGraceMs`. Claims may stay until the lease runs out.
   */
  readonly abort: () => Promise<ShutdownResult<Kind>>;
  /** Resolves when the worker has ended, however that came. Never rejects. */
  readonly done: Promise<ShutdownResult<Kind>>;
}

/** The most events that wait for one subscriber. */
const QUEUE_LIMIT = 10_000;

/** What stands between the events of a worker and the app. */
export interface Outlet {
  /** When subscribers are told. */
  readonly turns: Turns;
  /** Told what a subscriber throws. */
  readonly report: (thrown: unknown) => void;
}

/** Delivers the events of a worker to its subscribers in turns. */
export function delivered(turns: Turns): MonoTypeOperatorFunction<WorkerEvent> {
  return deliver<WorkerEvent>({
    limit: QUEUE_LIMIT,
    dropped: (count) => ({ type: "events-dropped", count }),
    turns,
  });
}

/**
 * Starts a worker and resolves to its handle when it is registered, or when it is known that
 * Postgres cannot be reached yet (it goes on trying).
 *
 * @throws SchemaError, or what else the worker cannot start with.
 */
export function spawn(
  start: (orders: Orders) => Observable<WorkerEvent>,
  { turns, report }: Outlet,
): Promise<WorkerHandle> {
  const shutdown$ = new ReplaySubject<void>(1);
  const abort$ = new ReplaySubject<void>(1);
  const event$ = new Subject<WorkerEvent>();
  const stopping = new AbortController();
  const interrupted: JobRef[] = [];
  const leaked: JobRef[] = [];
  let outcome: ShutdownResult["outcome"] = "drained";

  const note = (event: WorkerEvent): void => {
    if (event.type === "drain-timed-out") interrupted.push(...event.interrupted);
    if (event.type === "leaked" && !isSettledLeak(event)) leaked.push(event.job);
    if (event.type === "exited") outcome = event.outcome;
    if (event.type === "draining" || event.type === "aborted" || event.type === "exited") stopping.abort();
  };

  return new Promise((resolve, reject) => {
    const { promise: done, resolve: finish } = withResolvers<ShutdownResult>();
    const handle: WorkerHandle = {
      event$: guard(event$.pipe(delivered(turns)), report),
      signal: stopping.signal,
      get isShuttingDown() {
        return stopping.signal.aborted;
      },
      shutdown: () => {
        stopping.abort();
        shutdown$.next();
        return done;
      },
      abort: () => {
        stopping.abort();
        abort$.next();
        return done;
      },
      done,
      [Symbol.asyncDispose]: async () => {
        await handle.shutdown();
      },
    };
    start({ shutdown$, abort$ }).subscribe({
      next: (event) => {
        note(event);
        if (event$.observed) event$.next(event);
        if (event.type === "started" || event.type === "start-failed" || event.type === "exited")
          resolve(handle);
      },
      error: (error: unknown) => {
        stopping.abort();
        reject(error);
        event$.complete();
        finish({ outcome: "failed", interrupted, leaked, error });
      },
      complete: () => {
        event$.complete();
        finish({ outcome, interrupted, leaked });
      },
    });
  });
}

/** `Promise.withResolvers`, which Node 20 has not. */
function withResolvers<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: ((value: T) => void) | undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: (value) => resolve?.(value) };
}
