import { EMPTY, Observable, catchError, defer, filter, from, isObservable, of, switchMap } from "rxjs";
import type { ObservableInput, OperatorFunction } from "rxjs";
import type { InterruptedError } from "../core/errors.ts";
import { PermanentError } from "../core/errors.ts";
import type { ClaimedJob } from "../core/job.ts";
import type { Progressed } from "../core/outcome.ts";
import { isolate } from "../rx/isolate.ts";
import { contextOf } from "./context.ts";
import type { AttemptContext, ContextSetup, Interruptible } from "./context.ts";
import { trackedEnd } from "./tracked-end.ts";

/** A handler with its types taken off; `client.ts` puts them on. */
export type Handler = (job: ClaimedJob, context: AttemptContext) => unknown;

/** What calling a handler needs to know. */
export interface HandlerSetup extends ContextSetup {
  /** The handler of a kind, or `undefined`. */
  readonly handlerOf: (kind: string) => Handler | undefined;
  /** Checks the payload against the schema of its kind, and puts what that made of it in its place. */
  readonly prepare: (job: ClaimedJob) => ClaimedJob | Promise<ClaimedJob>;
  /** The app's own operators round what the handler returns. Default none. */
  readonly around?: AroundAttempt | undefined;
}

/** Wraps the values of a handler. Each subscription of `value$` calls the handler. */
export type AroundAttempt<OneJob extends ClaimedJob = ClaimedJob> = (
  value$: Observable<unknown>,
  job: OneJob,
) => ObservableInput<unknown>;

/** A handler at work. */
export interface RunningHandler {
  /**
   * Calls the handler. Answers with its progress, as `report` makes it, or with `undefined` when it has
   * ended. Throws, and the stream errors, with what the handler threw.
   */
  start(): Observable<Progressed> | undefined;
  /** The last value, or what it returned. */
  result(): unknown;
  /** Fires its signal. The first reason stays. */
  interrupt(reason: InterruptedError): void;
  interrupted(): InterruptedError | undefined;
  /** It is an Observable: unsubscribing is enough to end it. */
  endsWhenUnsubscribed(): boolean;
  /** It completed the job in its own transaction, if that was committed. */
  committed(): boolean;
  /** Completes when it has really ended, also after it was given up. Never errors. */
  ended$(): Observable<unknown>;
}

/**
 * Prepares a call of the handler of a job.
 *
 * The values of an Observable or of an iterable are progress, but for `undefined`; a promise and a plain
 * value have only a result. A plain value costs no subscription, for there are handlers without work.
 *
 * A rejection after the attempt was given up is swallowed: `from` attaches to the promise at once.
 */
export function startHandler(
  setup: HandlerSetup,
  job: ClaimedJob,
  report: OperatorFunction<unknown, Progressed>,
): RunningHandler {
  const attempt: Attempt = {
    controller: undefined,
    reason: undefined,
    committed: false,
    returned: undefined,
    result: undefined,
    ended$: nothing,
  };
  const calling: Calling = { setup, job, attempt, context: contextOf({ setup, job, attempt }), report };
  return {
    start: () => {
      const prepared = setup.prepare(job);
      return prepared instanceof Promise
        ? from(prepared).pipe(switchMap((value) => run(calling, value) ?? EMPTY))
        : run(calling, prepared);
    },
    interrupt: (why) => {
      attempt.reason ??= why;
      attempt.controller?.abort(attempt.reason);
    },
    interrupted: () => attempt.reason,
    endsWhenUnsubscribed: () => attempt.returned !== "promise" && attempt.returned !== "stream",
    result: () => attempt.result,
    committed: () => attempt.committed,
    ended$: () => attempt.ended$(),
  };
}

/** What is known of an attempt whose handler was called. */
interface Attempt extends Interruptible {
  returned: Shape | undefined;
  /** The last value, or what it returned. */
  result: unknown;
  ended$: () => Observable<unknown>;
}

/** What a call of a handler needs. */
interface Calling {
  readonly setup: HandlerSetup;
  readonly job: ClaimedJob;
  readonly attempt: Attempt;
  readonly context: AttemptContext;
  readonly report: OperatorFunction<unknown, Progressed>;
}

/** Calls the handler with what was made of the job; see `RunningHandler.start`. */
function run(calling: Calling, made: ClaimedJob): Observable<Progressed> | undefined {
  const { setup, job, attempt, report } = calling;
  const { around } = setup;
  // A copy: what a handler writes into its job must not reach the fence of the outcome.
  const prepared = made === job ? { ...job } : made;
  const isProgress = (value: unknown): boolean => keep(attempt, value);
  if (around !== undefined) {
    const value$ = defer(() => values(attempt, call(calling, prepared)));
    return isolate(from(around(value$, prepared))).pipe(filter(isProgress), report);
  }
  const output = call(calling, prepared);
  if (attempt.returned === "value") {
    attempt.result = output;
    return undefined;
  }
  if (output instanceof Promise) return resultOf(output, attempt);
  const progress$ = values(attempt, output).pipe(filter(isProgress));
  return attempt.returned === "promise" ? (progress$ as Observable<never>) : progress$.pipe(report);
}

function call({ setup, job, attempt, context }: Calling, prepared: ClaimedJob): unknown {
  const output = handlerFor(setup, job)(prepared, context);
  attempt.returned = shapeOf(output);
  if (output instanceof Promise) attempt.ended$ = () => from(output).pipe(catchError(nothing));
  return output;
}

/** What the handler returned, as a stream. */
function values(attempt: Attempt, output: unknown): Observable<unknown> {
  if (attempt.returned === "value") return of(output);
  if (attempt.returned === "observable") return isolate(from(output as ObservableInput<unknown>));
  if (output instanceof Promise) return from(output);
  const tracked = trackedEnd(output as ObservableInput<unknown>);
  attempt.ended$ = () => tracked.ended$;
  return from(tracked.output);
}

/** Keeps a value as the result, and tells whether it is progress as well. */
function keep(attempt: Attempt, value: unknown): boolean {
  attempt.result = value;
  return value !== undefined && (attempt.returned === "observable" || attempt.returned === "stream");
}

/**
 * Ends as a promise does. Its value is kept, and is no progress. One subscription, for most handlers are
 * async functions.
 */
function resultOf(promise: Promise<unknown>, attempt: Attempt): Observable<never> {
  return new Observable((subscriber) => {
    promise.then(
      (value) => {
        attempt.result = value;
        return subscriber.complete();
      },
      (error: unknown) => subscriber.error(error),
    );
  });
}

function nothing(): Observable<never> {
  return EMPTY;
}

function handlerFor({ handlerOf }: HandlerSetup, { kind }: ClaimedJob): Handler {
  const handler = handlerOf(kind);
  if (handler === undefined) throw new PermanentError(`No handler for the kind ${JSON.stringify(kind)}`);
  return handler;
}

/** Where other Observable libraries answer to `from`. */
const OBSERVABLE: symbol | string =
  typeof Symbol.observable === "symbol" ? Symbol.observable : "@@observable";

type Shape = "observable" | "stream" | "promise" | "value";

/**
 * What a handler returned. Observables and (async) iterables are streams of progress; strings are
 * values although they can be iterated; whatever is no `ObservableInput` is a value too.
 */
function shapeOf(output: unknown): Shape {
  if (typeof output !== "object" && typeof output !== "function") return "value";
  if (output === null) return "value";
  if (isObservable(output) || OBSERVABLE in output) return "observable";
  if ("then" in output && typeof output.then === "function") return "promise";
  if (Symbol.asyncIterator in output || Symbol.iterator in output || "getReader" in output) return "stream";
  return "value";
}
