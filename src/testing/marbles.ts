import type { Observable } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import type { RunHelpers } from "rxjs/testing";
import { OptionError, expected as wording } from "../core/errors.ts";
import type { WorkerEvent } from "../core/events.ts";
import { isVirtual } from "../rx/monotonic-clock.ts";
import { toMilliseconds } from "./event-marbles.ts";
import type { Moment } from "./event-marbles.ts";
import { checkEvents } from "./expect-events.ts";
import type { EventExpectation } from "./expect-events.ts";
import { streamDiff, subscriptionDiff } from "./stream-diff.ts";
import type { StreamMessage, SubscriptionFrames } from "./stream-diff.ts";
import { isThenable } from "./thenable.ts";

/** What the letters of marbles stand for. Without it, each stands for itself. */
export type MarbleValues<T = unknown> = Readonly<Record<string, T>>;

/** A stream made of marbles that notes its subscriptions. */
export interface MarbleObservable<T> extends Observable<T> {
  /** When it was subscribed and unsubscribed, for `expectSubscriptions`. */
  readonly subscriptions: readonly SubscriptionFrames[];
}

/** What a stream is expected to do. */
export interface StreamExpectation<T> {
  /** Compares with marbles, in RxJS's own syntax: `(ab)` takes four milliseconds, `#` is `error`. */
  toBe(marbles: string, values?: MarbleValues, error?: unknown): void;
  /** Compares with what another stream does. */
  toEqual(other: Observable<T>): void;
}

/** What a test in virtual time has at hand. One character of marbles is one millisecond. */
export interface MarbleHelpers {
  /** A stream that begins at its subscription. `#` errors with `error`, by default the text `"error"`. */
  cold<T = string>(marbles: string, values?: MarbleValues<T>, error?: unknown): MarbleObservable<T>;
  /** A stream that goes on by itself; `^` is the start of the test. */
  hot<T = string>(marbles: string, values?: MarbleValues<T>, error?: unknown): MarbleObservable<T>;
  /**
   * Subscribes at the start, or where `^` stands in `subscription`, until its `!`. A stream that
   * never ends needs that `!`.
   */
  expectObservable<T>(stream$: Observable<T>, subscription?: string): StreamExpectation<T>;
  /** Looks at the subscriptions of a `cold` or a `hot`. */
  expectSubscriptions(subscriptions: readonly SubscriptionFrames[]): {
    toBe(marbles: string | readonly string[]): void;
  };
  /** Subscribes to the events of a worker at the start, to compare them letter by letter. */
  expectEvents(event$: Observable<WorkerEvent>): EventExpectation;
  /** Milliseconds of marbles: `time("--|")` is 2, `time("10s")` is 10,000. */
  time(marbles: string): number;
  /** Does something so much later: `at("10s", () => …)`. What it throws fails the test. */
  at(moment: Moment, action: () => void): void;
  /** Lets virtual time pass now until nothing is planned any more, and compares what is complete. */
  flush(): void;
}

/** How many actions a test may take before it is held for endless. */
const MAX_ACTIONS = 1_000_000;

/**
 * Runs a test in virtual time, with any test runner or none: RxJS's timers, delays and clock pass at
 * once, and what was expected is compared when `fn` has returned.
 *
 * ```ts
 * marbles(({ cold, expectObservable }) => {
 *   expectObservable(cold("-a--b---|").pipe(delay(2))).toBe("---a--b-|");
 * });
 * ```
 *
 * Promises do not settle in virtual time: `fn` must not be async, and streams that wait for a
 * promise stand still.
 *
 * @returns What `fn` returns.
 * @throws Error with both marbles one above the other, where they differ; for an expectation that
 * says nothing (no `toBe`); for a test that does not come to an end. What `fn` throws.
 */
export function marbles<T>(fn: (helpers: MarbleHelpers) => T): T {
  if (typeof fn !== "function") throw new OptionError(wording("fn", "a function", fn));
  if (isVirtual()) throw new OptionError("marbles() was called in virtual time already; it cannot be nested");
  const checks = createChecks();
  const scheduler = new TestScheduler((actual, expected) => checks.next(actual, expected));
  limitActions(scheduler);
  const result = scheduler.run((helpers) => {
    const answer = fn(helpersOf(scheduler, helpers, checks));
    if (!isThenable(answer)) return answer;
    answer.then(undefined, () => undefined);
    throw new OptionError(
      "The function of marbles() is async or returned a promise: promises do not settle in virtual time",
    );
  });
  checks.end();
  return result;
}

/** Compares what was with what was expected: tells the difference, or `undefined`. */
type Check = (actual: unknown, expected: unknown) => string | undefined;

/** The expectations of a test. */
interface Checks {
  /** Notes that something is about to be expected; answers with how to say that it was. */
  promise(what: string): () => void;
  /** Enters an expectation when `TestScheduler` does; answers with how it is completed. */
  enter(what: string): (check: Check) => void;
  /** Carries out the next that is complete: `TestScheduler` goes through them in the same order. */
  next(actual: unknown, expected: unknown): void;
  /** Throws where an expectation was never completed. */
  end(): void;
}

function createChecks(): Checks {
  const open: { readonly what: string; check: Check | undefined }[] = [];
  const promised = new Set<{ readonly what: string }>();
  return {
    promise: (what) => {
      const made = { what };
      promised.add(made);
      return () => void promised.delete(made);
    },
    enter: (what) => {
      const made: (typeof open)[number] = { what, check: undefined };
      open.push(made);
      return (check) => {
        made.check = check;
      };
    },
    next: (actual, expected) => {
      const [done] = open.splice(
        open.findIndex(({ check }) => check !== undefined),
        1,
      );
      const difference = done?.check?.(actual, expected);
      if (difference !== undefined) throw atTest(new Error(difference));
    },
    end: () => {
      const [left] = [...open, ...promised];
      if (left === undefined) return;
      throw atTest(new Error(`${left.what}(…) was called without saying what is expected: add .toBe(…)`));
    },
  };
}

/** Lets the stack begin where the test called `marbles`, which is what runners point at. */
function atTest(error: Error): Error {
  Error.captureStackTrace(error, marbles);
  return error;
}

function helpersOf(scheduler: TestScheduler, run: RunHelpers, checks: Checks): MarbleHelpers {
  return {
    cold: (text, values, error) => run.cold(text, values, error),
    hot: (text, values, error) => run.hot(text, values, error),
    flush: run.flush,
    time: toMilliseconds,
    at: (moment, action) => {
      scheduler.schedule(action, toMilliseconds(moment));
    },
    expectObservable: (stream$, subscription) => {
      const complete = checks.enter("expectObservable");
      const pending = run.expectObservable(stream$, subscription);
      return {
        toBe: (text, values, error) => {
          complete((actual, expected) => streamDiff(messages(actual), messages(expected), values));
          pending.toBe(text, values, error);
        },
        toEqual: (other) => {
          complete((actual, expected) => streamDiff(messages(actual), messages(expected), undefined));
          pending.toEqual(other);
        },
      };
    },
    expectSubscriptions: (subscriptions) => {
      const complete = checks.enter("expectSubscriptions");
      const pending = run.expectSubscriptions(subscriptions as SubscriptionFrames[]);
      return {
        toBe: (text) => {
          complete((actual, expected) => subscriptionDiff(frames(actual), frames(expected)));
          pending.toBe(text as string | string[]);
        },
      };
    },
    expectEvents: (event$) => {
      const said = checks.promise("expectEvents");
      return {
        toBe: (text, options = {}) => {
          said();
          const check = checkEvents(event$, text, { ...options, now: () => scheduler.now() });
          checks.enter("expectEvents")(check.diff);
          // Not `toEqual`, which forgets to unsubscribe; what it compares is of no interest here.
          run.expectObservable(check.watched$, check.subscription).toBe("");
        },
      };
    },
  };
}

/** A stream that never ends would keep virtual time going for ever. */
function limitActions(scheduler: TestScheduler): void {
  const schedule = scheduler.schedule.bind(scheduler);
  let count = 0;
  scheduler.schedule = (work, delay, state) => {
    count += 1;
    if (count > MAX_ACTIONS) {
      throw new Error(
        `After ${MAX_ACTIONS} actions and ${scheduler.now()} ms of virtual time the test has not ended: ` +
          'a stream that never ends needs an end, such as expectObservable(stream$, "^ 10s !"), ' +
          'and a worker has to be stopped, such as by worker.shutdown("30s")',
      );
    }
    return schedule(work, delay, state);
  };
}

function messages(noted: unknown): readonly StreamMessage[] {
  return noted as readonly StreamMessage[];
}

function frames(noted: unknown): readonly SubscriptionFrames[] {
  return noted as readonly SubscriptionFrames[];
}
