import { asyncScheduler } from "rxjs";

/** Tells the time in milliseconds. Only the difference of two readings means something. */
export type Clock = () => number;

/** Before this, in milliseconds, the clock of RxJS is not that of the machine: it is September 2001. */
const REAL_SINCE = 1_000_000_000_000;

/**
 * Whether RxJS's clock is virtual at the moment, which is so inside `marbles` and inside `run` of a
 * `TestScheduler`: virtual time begins at 0, real time in 1970.
 */
export function isVirtual(): boolean {
  return asyncScheduler.now() < REAL_SINCE;
}

/**
 * The clock to measure with how long something takes. Timers go by it too, and setting the date of the
 * machine does not move it: `asyncScheduler.now()` is `Date.now()`, which jumps then.
 *
 * Ask for it where measuring begins, at the subscription: in virtual time it is the virtual clock.
 */
export function monotonicClock(): Clock {
  return isVirtual() ? () => asyncScheduler.now() : () => performance.now();
}
