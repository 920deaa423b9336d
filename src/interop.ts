import { isObservable } from "rxjs";
import type { Observable } from "rxjs";
import { checkOptions, integer, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import { OptionError, expected } from "./core/errors.ts";
import { fromSignal as fromAnySignal } from "./rx/from-signal.ts";
import { iterate as iterateAny } from "./rx/iterate.ts";
import type { IterateOptions } from "./rx/iterate.ts";
import { toSignal as toAnySignal } from "./rx/to-signal.ts";

const NEITHER = { limit: null, dropped: null };

const ITERATE_RULES: Readonly<Record<keyof IterateOptions<unknown>, Rule>> = {
  limit: integer(1),
  dropped: rule("a function", (value) => typeof value === "function"),
};

/**
 * Emits once when an `AbortSignal` fires, its reason, and completes; at once when it has fired.
 *
 * Takes its listener off the signal when it is unsubscribed, so that a long-lived signal keeps
 * nothing alive. Use it for `stop$`, or with `takeUntil`.
 *
 * @throws OptionError at the call, for what is no signal.
 */
export function fromSignal(signal: AbortSignal): Observable<unknown> {
  if (!isSignal(signal)) throw new OptionError(expected("signal", "an AbortSignal", signal));
  return fromAnySignal(signal);
}

/**
 * Makes an `AbortSignal` that fires with the first value of a stream, which becomes its reason, or
 * with its error: `fromSignal` the other way round.
 *
 * For `fetch`, streams of Node and whatever else takes a signal. Subscribes at once and unsubscribes
 * when the signal fires. A stream that completes without a value leaves a signal that never fires:
 * end one that is not needed any more with `takeUntil`.
 *
 * @throws OptionError at the call, for what is no Observable.
 */
export function toSignal(source$: Observable<unknown>): AbortSignal {
  checkSource(source$);
  return toAnySignal(source$);
}

/**
 * Reads an Observable with `for await`.
 *
 * Subscribes at the first step and unsubscribes when the loop is left, by whatever way, also while a
 * step waits. Values that come faster than the loop takes them are kept, all of them: where that
 * could be too many, say how many in `options`, or put `sample`, `throttleTime` or the like before it.
 * An error of the source is thrown in the loop after the values before it.
 *
 * @throws OptionError at the call, for what is no Observable, and for options that break their rules.
 */
export function iterate<T>(
  source$: Observable<T>,
  options?: IterateOptions<T>,
): AsyncGenerator<T, void, undefined> {
  checkSource(source$);
  // `null` stands for what is missing, which must not be.
  if (options !== undefined) checkOptions("iterate options", { ...NEITHER, ...options }, ITERATE_RULES);
  return iterateAny(source$, options);
}

function checkSource(source$: unknown): void {
  if (!isObservable(source$)) throw new OptionError(expected("source$", "an Observable", source$));
}

/** Not by its class: there are others than Node's. */
function isSignal(signal: unknown): boolean {
  return typeof signal === "object" && signal !== null && "aborted" in signal && "addEventListener" in signal;
}
