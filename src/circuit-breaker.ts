import {
  BehaviorSubject,
  connect,
  defer,
  endWith,
  filter,
  ignoreElements,
  map,
  merge,
  observeOn,
  of,
  queueScheduler,
  switchMap,
  take,
  takeUntil,
  tap,
} from "rxjs";
import type { Observable, OperatorFunction } from "rxjs";
import { checkOptions, integer, milliseconds, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import type { EventOf, WorkerEvent } from "./core/events.ts";
import type { ClusterEvent } from "./events/cluster-event.ts";
import { longTimer } from "./rx/long-timer.ts";
import { monotonicClock } from "./rx/monotonic-clock.ts";

/** Options of `circuitBreaker`. */
export interface CircuitBreakerOptions {
  /** How many attempts must have failed in `windowMs` for it to open. Integer from 1. Default 5. */
  readonly failures?: number | undefined;
  /**
   * Which part of the attempts that ended in `windowMs` must have failed, too: from 0, where only
   * their number counts, to 1, all of them. Default 0.5.
   */
  readonly ratio?: number | undefined;
  /** How far it looks back, in milliseconds, to a tenth of it. From 1 to ten years. Default 10,000. */
  readonly windowMs?: number | undefined;
  /** Milliseconds that it stays open before it tries again. From 1 to ten years. Default 30,000. */
  readonly coolDownMs?: number | undefined;
}

/** `closed`: attempts may run. `open`: none may begin. `half-open`: one at a time, to find out. */
type State = "closed" | "open" | "half-open";

type AttemptEnd = EventOf<"succeeded" | "retry-scheduled" | "failed">;

const RULES: Readonly<Record<string, Rule>> = {
  failures: integer(1),
  ratio: rule("a number from 0 to 1", (value) => typeof value === "number" && value >= 0 && value <= 1),
  windowMs: milliseconds(1),
  coolDownMs: milliseconds(1),
};

const DEFAULTS = { failures: 5, ratio: 0.5, windowMs: 10_000, coolDownMs: 30_000 };

const CAPACITY: Readonly<Record<State, number | boolean>> = { closed: true, open: false, "half-open": 1 };

/** Into how many parts the window is cut: counts of so many parts are kept, not moments of events. */
const SLICES = 10;

/**
 * Turns the events of a worker into a capacity that falls to nothing when attempts keep failing, so
 * that jobs wait for a service that is down instead of using up their attempts on it.
 *
 * ```text
 * event$  s---s-f-ff----------f-----f----------s---     s succeeded, f failed
 * result  t--------o---------1o---------1------t---     t true, o false
 *
 * failures: 3, ratio: 0.5, windowMs: 10, coolDownMs: 10
 * ```
 *
 * It opens (`false`) when `failures` attempts failed in `windowMs` and they are at least `ratio` of
 * those that ended. What runs then goes on, and does not count any more. After `coolDownMs` it is
 * half-open (`1`), and the first attempt that began since decides: succeeded, it closes (`true`);
 * failed, it opens again. Where attempts are quick, one or two more may begin before that is known.
 *
 * Only `succeeded`, `retry-scheduled` and `failed` count, so an attempt that is snoozed or cancelled
 * decides nothing, and the one that is let through costs its job an attempt when it fails. Put `filter` before it for some kinds or
 * errors. Takes events of a worker as well as of `client.events()`. Its first value is `true`;
 * completes and errors with its source.
 *
 * @throws OptionError at the call.
 */
export function circuitBreaker(
  options: CircuitBreakerOptions = {},
): OperatorFunction<WorkerEvent | ClusterEvent, number | boolean> {
  checkOptions("circuitBreaker options", options, RULES);
  const { failures, ratio, windowMs, coolDownMs } = { ...DEFAULTS, ...withoutUndefined(options) };

  const after = (state: State, end$: Observable<AttemptEnd>): Observable<State> => {
    switch (state) {
      case "closed":
        return end$.pipe(
          filter(failing({ failures, ratio, windowMs })),
          map(() => "open"),
        );
      case "open":
        return longTimer(coolDownMs).pipe(map(() => "half-open"));
      case "half-open":
        return end$.pipe(
          filter(beganFromNowOn()),
          map(({ type }) => (type === "succeeded" ? "closed" : "open")),
        );
    }
  };

  return (event$) =>
    defer(() => {
      const state$ = new BehaviorSubject<State>("closed");
      return event$.pipe(
        filter(isAttemptEnd),
        connect((end$) =>
          state$.pipe(
            // One state is told to the end before the next, also when telling it brings that about.
            observeOn(queueScheduler),
            switchMap((state) => {
              const changed$ = after(state, end$).pipe(
                take(1),
                tap((next) => state$.next(next)),
              );
              // Heard first: what the new capacity brings about may come in the same call.
              return merge(changed$.pipe(ignoreElements()), of(CAPACITY[state]));
            }),
            takeUntil(end$.pipe(ignoreElements(), endWith(undefined))),
          ),
        ),
      );
    });
}

function isAttemptEnd(event: WorkerEvent | ClusterEvent): event is AttemptEnd {
  return event.type === "succeeded" || event.type === "retry-scheduled" || event.type === "failed";
}

/** Whether an attempt began at this moment or later; its event comes some time after its end. */
function beganFromNowOn(): (end: AttemptEnd) => boolean {
  const now = monotonicClock();
  const moment = now();
  return ({ durationMs }) => now() - durationMs >= moment;
}

/** Counts the attempts that ended of late, and tells at each whether too many failed. */
function failing({
  failures,
  ratio,
  windowMs,
}: Pick<typeof DEFAULTS, "failures" | "ratio" | "windowMs">): (end: AttemptEnd) => boolean {
  const now = monotonicClock();
  let slices: { readonly index: number; ended: number; failed: number }[] = [];
  const sliceOfNow = (): (typeof slices)[number] => {
    const index = Math.floor(now() / (windowMs / SLICES));
    const last = slices.at(-1);
    if (last?.index === index) return last;
    const slice = { index, ended: 0, failed: 0 };
    slices = [...slices.filter((old) => old.index > index - SLICES), slice];
    return slice;
  };
  return ({ type }) => {
    const slice = sliceOfNow();
    slice.ended += 1;
    if (type === "succeeded") return false;
    slice.failed += 1;
    const ended = slices.reduce((sum, one) => sum + one.ended, 0);
    const failed = slices.reduce((sum, one) => sum + one.failed, 0);
    return failed >= failures && failed >= ratio * ended;
  };
}

function withoutUndefined(options: CircuitBreakerOptions): Partial<typeof DEFAULTS> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
