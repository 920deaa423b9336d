import {
  EMPTY,
  Subject,
  catchError,
  concat,
  defer,
  filter,
  from,
  materialize,
  mergeMap,
  tap,
  throwError,
} from "rxjs";
import type { Observable, ObservableInput, ObservableNotification } from "rxjs";
import {
  ClosedError,
  EnqueueError,
  OptionError,
  PayloadError,
  SchemaError,
  expectedType,
} from "./core/errors.ts";
import { fifo } from "./rx/fifo.ts";
import { gatherMap } from "./rx/gather-map.ts";
import { isPullable, pull } from "./rx/pull.ts";

/** Takes a source of values and emits the ids of their jobs; so it is an operator, too. */
export type Enqueuing<T> = (source: ObservableInput<T>) => Observable<string>;

/** What became of values. */
export interface MadeJobs<J> {
  /** The jobs of the values up to one that is refused, in parts that are written one after the other. */
  readonly parts: readonly (readonly J[])[];
  /** Why the next value is refused, if one is. */
  readonly refused?: { readonly error: unknown };
}

/** What `enqueueEach` runs on. */
export interface EnqueueEachSetup<T, J> {
  /** Makes the jobs of values, of which the first is number `index` of the source, from 0. Must not error. */
  readonly make: (values: readonly T[], index: number) => ObservableInput<MadeJobs<J>>;
  /** Writes jobs, all or none, and answers with their ids in the same order. */
  readonly write: (jobs: readonly J[]) => ObservableInput<readonly string[]>;
  /** How many jobs are written at once at most. From 1. */
  readonly max: number;
}

/**
 * Writes a job for each value of a source and emits their ids, in its order.
 *
 * ```text
 * source   -abc------d----|
 *           ===A               insert of [a]
 *              ===BC           insert of [b, c], gathered meanwhile
 *                    ===D
 * result   ----A--(BC)--D-|
 * ```
 *
 * One insert is in flight; what comes meanwhile is written with the next, at most `max` at once.
 * Iterables, async or not, are read at most `max` values ahead of the insert in flight. What pushes
 * its values, such as an Observable, cannot be held back: what it is ahead waits in memory.
 *
 * Errors only with `EnqueueError`, after the ids of all that is written: what came before an error
 * of the source, or before a value that is refused, is written first. After unsubscribing nobody
 * knows whether the insert in flight is done.
 */
export function enqueueEach<T, J>(setup: EnqueueEachSetup<T, J>): Enqueuing<T> {
  return (source) => {
    checkSource(source);
    return defer(() => {
      const more$ = new Subject<number>();
      const { read, writeBatch } = writer(setup);
      const value$ = isPullable(source) ? pull(source, { first: setup.max, more$ }) : from(source);
      return value$.pipe(
        tap(read),
        // An error stands behind the values before it, and so waits for them.
        materialize(),
        filter(({ kind }) => kind !== "C"),
        gatherMap((batch) => {
          // The next batch is read while this one is written.
          more$.next(batch.length);
          return writeBatch(batch);
        }, setup.max),
      );
    });
  };
}

interface Writer<T> {
  /** Notes what was read. */
  readonly read: (value: T) => void;
  /** Writes the next of what was read; errors when that comes to an end. */
  readonly writeBatch: (batch: readonly ObservableNotification<T>[]) => Observable<string>;
}

function writer<T, J>({ make, write }: EnqueueEachSetup<T, J>): Writer<T> {
  const unwritten = fifo<T>();
  let written = 0;

  const end = (reason: EnqueueError["reason"], cause: unknown, uncertain = 0): Observable<never> =>
    throwError(() => {
      const message = messageOf(reason, written, cause);
      return new EnqueueError(reason, message, {
        cause,
        written,
        uncertain,
        unwritten: unwritten.take(Infinity),
      });
    });

  const sourceEnd = (last: ObservableNotification<T> | undefined): Observable<never> =>
    last?.kind === "E" ? end("source", last.error) : EMPTY;

  const insert = (jobs: readonly J[]): Observable<string> =>
    defer(() => from(write(jobs))).pipe(
      catchError((error: unknown) => end("write", error, wroteNothing(error) ? 0 : jobs.length)),
      tap((ids) => {
        written += ids.length;
        unwritten.take(ids.length);
      }),
      mergeMap((ids) => ids),
    );

  return {
    read: unwritten.push,
    writeBatch: (batch) =>
      from(make(valuesOf(batch), written)).pipe(
        mergeMap(({ parts, refused }) =>
          concat(
            ...parts.map(insert),
            refused === undefined ? EMPTY : end("value", refused.error),
            sourceEnd(batch.at(-1)),
          ),
        ),
      ),
  };
}

function valuesOf<T>(notifications: readonly ObservableNotification<T>[]): readonly T[] {
  return notifications.flatMap((one) => (one.kind === "N" ? [one.value] : []));
}

/** After an ERROR of the server nothing is written; after a lost connection nobody knows. */
function wroteNothing(error: unknown): boolean {
  if (error instanceof SchemaError || error instanceof ClosedError || error instanceof OptionError)
    return true;
  if (!(error instanceof Error)) return false;
  // Class 08 is what a pooler says of a connection that it lost.
  const code: unknown = Reflect.get(error, "code");
  return Reflect.get(error, "severity") === "ERROR" && typeof code === "string" && !code.startsWith("08");
}

/** Of causes that may quote a value, the message is left out. */
function messageOf(reason: EnqueueError["reason"], written: number, cause: unknown): string {
  const isOurs = cause instanceof PayloadError || cause instanceof OptionError;
  switch (reason) {
    case "source":
      return `The source failed after ${written} values, which are all enqueued`;
    case "value":
      return `The value at index ${written} was refused: ${isOurs ? cause.message : "`map` or `options` threw, see `cause`"}`;
    case "write":
      return `Enqueuing failed when ${written} values were enqueued: ${cause instanceof Error ? cause.message : "see `cause`"}`;
  }
}

/** @throws OptionError for what is no source, at the call. */
function checkSource(source: unknown): void {
  try {
    // Its letters would be the values.
    if (typeof source === "string") throw new TypeError("a text");
    from(source as ObservableInput<unknown>);
  } catch {
    throw new OptionError(expectedType("source", "an Observable, or an iterable, async or not", source));
  }
}
