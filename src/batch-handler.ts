import {
  EMPTY,
  Subject,
  catchError,
  defaultIfEmpty,
  defer,
  filter,
  finalize,
  firstValueFrom,
  from,
  last,
  map,
  merge,
  mergeMap,
  of,
  share,
  throwError,
} from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { checkOptions, integer, milliseconds } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import { OptionError, describe, expected } from "./core/errors.ts";
import type { Job } from "./handlers.ts";
import { fromSignal } from "./rx/from-signal.ts";
import { gatherFor } from "./rx/gather-for.ts";
import type { AttemptContext } from "./stages/context.ts";

/** How many jobs a batch has at most, and how long its first one waits for more. */
export interface BatchOptions {
  /** The most jobs of a batch. Integer from 1 to 10,000. The worker needs as many slots to fill one. */
  readonly max: number;
  /** Milliseconds that the first job of a batch waits for others. From 0. */
  readonly maxWaitMs: number;
}

/** What the handler of a batch gets besides its jobs. */
export interface BatchContext {
  /** Fires when all attempts of the batch were told to end. */
  readonly signal: AbortSignal;
}

/**
 * Does the work of a batch, and answers with one result a job, in their order: as an array, a promise of
 * one, or the last value of an Observable. A result that is an
 * `Error` fails that job alone, as if it had been thrown: `PermanentError` and `Snooze` mean what they
 * always do. A throw, a rejection or another number of results fails all jobs of the batch.
 */
export type BatchHandler<OneJob> = (
  jobs: readonly OneJob[],
  context: BatchContext,
) => ObservableInput<readonly unknown[]> | readonly unknown[];

const RULES: Readonly<Record<keyof BatchOptions, Rule>> = {
  max: integer(1, 10_000),
  maxWaitMs: milliseconds(0),
};

interface Waiting<OneJob> {
  readonly job: OneJob;
  /** Its attempt ended, or was told to. */
  left: boolean;
}

type Answer<OneJob> = { readonly one: Waiting<OneJob>; readonly result: unknown };

/**
 * Makes a handler that gathers jobs and does the work of many at once. Each job keeps an attempt, a
 * slot and an outcome of its own.
 *
 * ```text
 * attempts   -a-b---c-----      max 2
 * batch      ---====           [a, b]
 * outcomes   -------(AB)
 * ```
 *
 * ```ts
 * const handlers = {
 *   embed: batchHandler({ max: 50, maxWaitMs: 20 }, (jobs) => model.embed(jobs.map((job) => job.payload.text))),
 * };
 * ```
 *
 * @throws OptionError at the call.
 */
export function batchHandler<OneJob extends Job>(
  options: BatchOptions,
  handler: BatchHandler<OneJob>,
): (job: OneJob, context: AttemptContext) => Promise<unknown> {
  checkOptions("batch options", options, RULES);
  if (options.max === undefined || options.maxWaitMs === undefined) {
    throw new OptionError(`Expected batch options with \`max\` and \`maxWaitMs\`, got ${describe(options)}`);
  }
  if (typeof handler !== "function") throw new OptionError(expected("handler", "a function", handler));
  const waiting$ = new Subject<Waiting<OneJob>>();
  const answer$ = waiting$.pipe(
    gatherFor(options),
    mergeMap((batch) =>
      runBatch(
        batch.filter(({ left }) => !left),
        handler,
      ),
    ),
    // Attempts hold it, each of them: when the last one leaves, what runs is told to end.
    share(),
  );

  return (job, { signal }) => {
    const one: Waiting<OneJob> = { job, left: false };
    const own$ = answer$.pipe(
      filter((answer) => answer.one === one),
      map(({ result }) => {
        if (result instanceof Error) throw result;
        return result;
      }),
    );
    const join$ = defer(() => {
      waiting$.next(one);
      return EMPTY;
    });
    const ended$ = fromSignal(signal).pipe(mergeMap((reason) => throwError(() => reason)));
    return firstValueFrom(merge(ended$, own$, join$).pipe(finalize(() => (one.left = true))));
  };
}

/** Runs one batch. Never errors: what fails it is the result of each job. */
function runBatch<OneJob>(
  batch: readonly Waiting<OneJob>[],
  handler: BatchHandler<OneJob>,
): Observable<Answer<OneJob>> {
  if (batch.length === 0) return EMPTY;
  return defer(() => {
    const controller = new AbortController();
    return defer(() => {
      const answer = handler(
        batch.map(({ job }) => job),
        { signal: controller.signal },
      );
      // An array is the results, not a stream of them.
      return Array.isArray(answer) ? of(answer) : from(answer);
    }).pipe(
      defaultIfEmpty([]),
      last(),
      mergeMap((results) => checked(results, batch).map((result, index) => ({ one: batch[index], result }))),
      catchError((error: unknown) => of(...batch.map((one) => ({ one, result: asError(error) })))),
      filter((answer): answer is Answer<OneJob> => answer.one !== undefined),
      finalize(() => controller.abort()),
    );
  });
}

function checked(results: unknown, { length }: readonly unknown[]): readonly unknown[] {
  if (Array.isArray(results) && results.length === length) return results;
  throw new OptionError(
    `Expected the batch handler to answer with ${length} results, got ${describe(results)}`,
  );
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(describe(thrown), { cause: thrown });
}
