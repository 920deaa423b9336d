import { Subject, defer, from, merge } from "rxjs";
import type { Observable } from "rxjs";

/** A stream, and how to tell it values. */
export interface Held<T> {
  /** What was told while nobody was subscribed, and then what is told. */
  readonly value$: Observable<T>;
  /** Tells a value. */
  readonly tell: (value: T) => void;
}

/**
 * A subject that keeps what it is told while nobody is subscribed, for the next subscriber.
 *
 * ```text
 * told     -a-b-----c--d-
 * value$   ----^---------   the subscriber comes here
 * result       (ab)-c--d
 * ```
 *
 * For what goes wrong while a stream is still being subscribed: its reports come before their reader.
 */
export function held<T>(): Held<T> {
  const live$ = new Subject<T>();
  const early: T[] = [];
  return {
    value$: defer(() => merge(live$, from(early.splice(0)))),
    tell: (value) => {
      if (live$.observed) live$.next(value);
      else early.push(value);
    },
  };
}
