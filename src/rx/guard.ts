import { Observable } from "rxjs";
import type { Observer, Operator, Subscription } from "rxjs";

type Subscribe<T> = Observable<T>["subscribe"];

/** An observer, or the functions that RxJS took before and that `toPromise` still gives. */
type SubscribeArguments<T> = readonly [
  target?: Partial<Observer<T>> | ((value: T) => void) | null,
  error?: ((error: unknown) => void) | null,
  complete?: (() => void) | null,
];

/**
 * Makes an Observable whose subscribers cannot end the process. RxJS rethrows what a subscriber
 * throws, and an error that nobody handles, from a timer, and Node ends on it. Here both go to
 * `report`, and the subscriber that threw gets the next value all the same.
 *
 * Operators that are piped to it keep the guard: it is passed on by `lift`.
 */
export function guard<T>(source$: Observable<T>, report: (thrown: unknown) => void): Observable<T> {
  return guarded(new Observable<T>((subscriber) => source$.subscribe(subscriber)), report);
}

function guarded<T>(observable: Observable<T>, report: (thrown: unknown) => void): Observable<T> {
  const subscribe = observable.subscribe.bind(observable) as (observer: Partial<Observer<T>>) => Subscription;

  // Not an operator: operators subscribe with their own `Subscriber`, which must pass unchanged.
  observable.subscribe = ((...given: SubscribeArguments<T>): Subscription => {
    const [target] = given;
    if (isSubscriber(target)) return subscribe(target as Partial<Observer<T>>);
    const observer = observerOf(given);
    return subscribe({
      next: (value) => attempt(() => observer.next?.(value), report),
      error: (error: unknown) =>
        observer.error === undefined ? report(error) : attempt(() => observer.error?.(error), report),
      complete: () => attempt(() => observer.complete?.(), report),
    });
  }) as Subscribe<T>;

  observable.lift = <R>(operator?: Operator<T, R>): Observable<R> => {
    const lifted = new Observable<R>();
    lifted.source = observable;
    lifted.operator = operator as Operator<unknown, R>;
    return guarded(lifted, report);
  };
  return observable;
}

function observerOf<T>([target, error, complete]: SubscribeArguments<T>): Partial<Observer<T>> {
  if (typeof target === "object" && target !== null) return target;
  return {
    ...(target && { next: target }),
    ...(error && { error }),
    ...(complete && { complete }),
  };
}

/** RxJS' own way to tell a `Subscriber` from an observer. */
function isSubscriber(target: unknown): boolean {
  return typeof target === "object" && target !== null && "isStopped" in target && "add" in target;
}

function attempt(call: () => void, report: (thrown: unknown) => void): void {
  try {
    call();
  } catch (thrown) {
    report(thrown);
  }
}
