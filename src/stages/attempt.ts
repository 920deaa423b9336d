import { EMPTY, defer, map, merge, tap } from "rxjs";
import type { MonoTypeOperatorFunction, Observable } from "rxjs";
import type { InterruptedError } from "../core/errors.ts";
import { jobRef } from "../core/events.ts";
import type { WorkerEvent } from "../core/events.ts";
import { interruption } from "../core/interrupt.ts";
import type { Interrupt } from "../core/interrupt.ts";
import type { ClaimedJob } from "../core/job.ts";
import type { Ended, Outcome, Progressed } from "../core/outcome.ts";
import { MAX_PAYLOAD_BYTES, toJsonText } from "../core/payload.ts";
import { toErrorRecord } from "../core/error-record.ts";
import { bracket } from "../rx/bracket.ts";
import { longTimer } from "../rx/long-timer.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";
import { takeUntilGrace } from "../rx/take-until-grace.ts";
import { throttleLatest } from "../rx/throttle-latest.ts";
import { reportLeak } from "./leaks.ts";
import type { Leaks, ReportedLeak } from "./leaks.ts";
import { startHandler } from "./handler.ts";
import type { HandlerSetup } from "./handler.ts";
import { outcomeOfError } from "./outcome-of-error.ts";
import type { RetryRule } from "./outcome-of-error.ts";

/** What an attempt emits. */
export type Step = WorkerEvent | Progressed | Ended;

/** What attempts need to know. */
export interface AttemptSetup extends HandlerSetup {
  /** The retry rule of the worker, for jobs that have none of their own. */
  readonly retry: RetryRule;
  /** The worker's limit for jobs that have none of their own, in milliseconds. */
  readonly timeoutMs: number | undefined;
  /** The least time between two progress values of an attempt that go further, in milliseconds. */
  readonly progressIntervalMs: number;
  /** How long an attempt that was told to end may take to do so, in milliseconds. */
  readonly graceMs: number;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Counts attempts that were given up and still run. Default: nobody does. */
  readonly leaks?: Leaks | undefined;
}

/**
 * Runs one attempt of one job. Never errors: whatever the handler does becomes an `Outcome`.
 *
 * ```text
 * handler      -----p---p--r|            handler     -------#
 * attempt      s----p---p--r(E|)         attempt     s------(E|)
 *
 * handler      ==================…       never ends, ignores its signal
 * interrupt$   ----!                     the signal fires
 * attempt      s---.....(LE|)            L: leaked, after the grace
 * ```
 *
 * s started, p progress, r result, E the `Ended` that is settled next. The first reason to end stays;
 * `aborted` leaves no grace, also of an order before it. Unsubscribing interrupts the attempt with
 * the reason `aborted`.
 *
 * `isOrdered` says whether there may be an order already. Where there is none, a handler that returns
 * a plain value costs no subscription: these are kept alive by garbage that is older, and then cost more
 * than all else.
 */
export function attemptStage(
  setup: AttemptSetup,
): (job: ClaimedJob, interrupt$: Observable<Interrupt>, isOrdered?: boolean) => Observable<Step> {
  const now = monotonicClock();
  return (job, interrupt$, isOrdered = true) =>
    bracket<Step>(() => {
      const startedAt = now();
      const ref = jobRef(job);
      const timeoutMs = job.timeoutMs ?? setup.timeoutMs;
      let latest: Progressed | undefined;
      /** What was told last: the latest may be throttled still when the attempt is ended. */
      let told: Progressed | undefined;
      let leaked = false;

      const report = (value$: Observable<unknown>): Observable<Progressed> =>
        value$.pipe(
          map((value) => (latest = progressed(job, value))),
          throttleLatest(setup.progressIntervalMs),
          tap((step) => (told = step)),
        );
      const handler = startHandler(setup, job, report);

      const untilInterrupted = (): MonoTypeOperatorFunction<Progressed> =>
        takeUntilGrace(orders(interrupt$, timeoutMs), {
          graceOf: (interrupt) => {
            handler.interrupt(interruption(interrupt, timeoutMs));
            // An Observable ends when it is unsubscribed; a promise has to be waited for.
            if (handler.endsWhenUnsubscribed()) return undefined;
            return interrupt.reason === "aborted" ? 0 : setup.graceMs;
          },
          overdue: () => (leaked = true),
        });

      const last = (failure: { readonly error: unknown } | undefined): Iterable<Step> => {
        const interrupted = handler.interrupted();
        const end: Ended = {
          type: "ended",
          job,
          outcome: outcomeOf(setup, job, { interrupted, failure, result: handler.result(), leaked }),
          durationMs: Math.floor(now() - startedAt),
          committed: handler.committed(),
          progress: latest?.text,
        };
        const untold = latest === undefined || latest === told ? [] : [latest];
        if (!leaked || interrupted === undefined) return [...untold, end];
        return leakedAnd([...untold, end], setup.leaks, {
          job: ref,
          reason: interrupted.reason,
          startedAt,
          ended$: handler.ended$(),
        });
      };

      return {
        first: { type: "attempt-started", job: ref, waitMs: job.waitMs },
        begin: () => {
          // An order that was there before comes before the handler is called.
          if (isOrdered) return defer(() => handler.start() ?? EMPTY).pipe(untilInterrupted());
          return handler.start()?.pipe(untilInterrupted());
        },
        last,
        left: () => handler.interrupt(interruption({ reason: "aborted" }, timeoutMs)),
      };
    });
}

/** Tells of an attempt that was given up before it tells its end. */
function* leakedAnd(steps: readonly Step[], leaks: Leaks | undefined, leak: ReportedLeak): Generator<Step> {
  yield* reportLeak(leaks, leak);
  yield* steps;
}

/** The orders to end an attempt: those from outside, and that of its timeout, if it has one. */
function orders(interrupt$: Observable<Interrupt>, timeoutMs: number | undefined): Observable<Interrupt> {
  if (timeoutMs === undefined) return interrupt$;
  return merge(interrupt$, longTimer(timeoutMs).pipe(map((): Interrupt => ({ reason: "timeout" }))));
}

/** @throws PayloadError for what is no JSON: it fails the attempt. */
function progressed(job: ClaimedJob, value: unknown): Progressed {
  return {
    type: "progressed",
    job,
    value,
    text: toJsonText(job.kind, value, MAX_PAYLOAD_BYTES, "progress"),
  };
}

/** What is known when a handler has ended, or was given up. */
interface Ending {
  readonly interrupted: InterruptedError | undefined;
  readonly failure: { readonly error: unknown } | undefined;
  readonly result: unknown;
  readonly leaked: boolean;
}

/**
 * How the attempt ended. An interrupted one counts by the reason of its interruption even if its
 * handler returned: a handler that returns early because its signal fired has not done its job.
 */
function outcomeOf(setup: AttemptSetup, job: ClaimedJob, ending: Ending): Outcome {
  const { interrupted, failure, result, leaked } = ending;
  const rule = job.backoff ?? setup.retry;
  const reason = interrupted?.reason;
  switch (reason) {
    case undefined:
      return failure === undefined
        ? successOf(job, result, rule, setup.random())
        : outcomeOfError(failure.error, job, rule, setup.random());
    case "timeout":
      return outcomeOfError(interrupted, job, rule, setup.random());
    case "cancelled":
      return { type: "cancelled", error: toErrorRecord(interrupted) };
    case "lease-lost":
      return { type: "abandoned", reason: "lease-lost" };
    case "shutdown":
    case "aborted":
      return leaked ? { type: "abandoned", reason: "leaked" } : { type: "released", reason };
  }
}

/** A result that is to be kept must be JSON; one that is not fails the job, and says so. */
function successOf(job: ClaimedJob, result: unknown, rule: RetryRule, random: number): Outcome {
  if (job.keepResultMs === undefined) return { type: "succeeded", result };
  try {
    return {
      type: "succeeded",
      result,
      kept: toJsonText(job.kind, result ?? null, MAX_PAYLOAD_BYTES, "result"),
    };
  } catch (error) {
    return outcomeOfError(error, job, rule, random);
  }
}
