import { Observable, ReplaySubject } from "rxjs";
import type { OperatorFunction } from "rxjs";

/**
 * Merges a source with what is made of its end.
 *
 * ```text
 * source    -a--b--|
 * ended$    -------(e|)
 * project   --x----y-|    what it answers with
 * result    -ax-b--y-|
 * ```
 *
 * Completes when both have, and errors with either. This is `connect` with a `merge`, but values of the
 * source take one step here instead of six: everything that a worker tells passes some of these.
 *
 * @param project Given what emits once, also to late subscribers, when the source completes.
 * @param order Which of the two is subscribed first, and so heard first. Default what `project` makes.
 */
export function withEnded<T, R>(
  project: (ended$: Observable<void>) => Observable<R>,
  order: "first" | "last" = "first",
): OperatorFunction<T, T | R> {
  return (source) =>
    new Observable<T | R>((subscriber) => {
      const ended$ = new ReplaySubject<void>(1);
      let open = 2;
      const add = <V extends T | R>(value$: Observable<V>, ended: () => void): void => {
        if (subscriber.closed) return;
        subscriber.add(
          value$.subscribe({
            next: (value) => subscriber.next(value),
            error: (error: unknown) => subscriber.error(error),
            complete: () => {
              ended();
              open -= 1;
              if (open === 0) subscriber.complete();
            },
          }),
        );
      };
      const addProjected = (): void => add(project(ended$), () => undefined);
      if (order === "first") addProjected();
      add(source, () => {
        ended$.next();
        ended$.complete();
      });
      if (order === "last") addProjected();
    });
}
