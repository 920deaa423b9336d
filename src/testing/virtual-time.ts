import { asyncScheduler } from "rxjs";

/** Before this, in milliseconds, the clock of RxJS is not that of the machine: it is September 2001. */
const REAL_SINCE = 1_000_000_000_000;

/**
 * Whether RxJS's clock is virtual at the moment, which is so inside `marbles` and inside `run` of a
 * `TestScheduler`: virtual time begins at 0, real time in 1970.
 */
export function isVirtual(): boolean {
  return asyncScheduler.now() < REAL_SINCE;
}

/** Whether something is a promise, or behaves like one. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === "object" && value !== null) || typeof value === "function") &&
    "then" in value &&
    typeof value.then === "function"
  );
}
