import { Observable, from } from "rxjs";
import type { ObservableInput, OperatorFunction, Subscription } from "rxjs";

/**
 * Projects each value and merges what comes of it, at most `slots` at a time; the others wait in
 * their order.
 *
 * ```text
 * source   -ab-c-----|
 *           ====A          project(a)
 *            ==B           project(b)
 *              ===C        project(c), with 2 slots: when b has ended
 * result   ----(AB)C-|
 * ```
 *
 * This is `mergeMap(project, slots)`, which starts a waiting value from inside the end of the one
 * before. When those end at once, each stands on the stack of the one before it: some 240 trivial
 * jobs behind a slower one overflowed it, and RxJS swallowed that error together with the job. Here
 * a loop starts them. A slot is free when its projection has been torn down.
 *
 * Completes when the source and all projections have. An error of the source, of a projection or a
 * throw of `project` errors the result.
 *
 * @param slots From 1.
 */
export function mergeInSlots<T, R>(
  project: (value: T) => ObservableInput<R>,
  slots: number,
): OperatorFunction<T, R> {
  return (source) =>
    new Observable<R>((subscriber) => {
      const waiting: T[] = [];
      /** A set, for a list of hundreds is searched each time that one of them ends. */
      const projections = new Set<Subscription>();
      let running = 0;
      let sourceDone = false;
      let starting = false;

      const mayStart = (): boolean => waiting.length > 0 && running < slots && !subscriber.closed;

      const start = (value: T): void => {
        let ended = false;
        running += 1;
        const projected$ = new Observable<R>((own) => {
          projections.add(own);
          from(project(value)).subscribe(own);
        });
        const projection = projected$.subscribe({
          next: (result) => subscriber.next(result),
          error: (error: unknown) => subscriber.error(error),
          complete: () => (ended = true),
        });
        // Comes after the projection's own teardowns.
        projection.add(() => {
          projections.delete(projection);
          if (!ended) return;
          running -= 1;
          advance();
        });
      };

      const advance = (): void => {
        if (starting) return; // the loop below goes on
        starting = true;
        try {
          while (mayStart()) start(waiting.shift() as T);
        } catch (error) {
          subscriber.error(error);
        }
        starting = false;
        if (sourceDone && running === 0 && waiting.length === 0) subscriber.complete();
      };

      // Before they begin: ends also one that emits while it is being subscribed.
      subscriber.add(() => {
        for (const projection of projections) projection.unsubscribe();
      });
      subscriber.add(
        source.subscribe({
          next: (value) => {
            waiting.push(value);
            advance();
          },
          error: (error: unknown) => subscriber.error(error),
          complete: () => {
            sourceDone = true;
            advance();
          },
        }),
      );
    });
}
