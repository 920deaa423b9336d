import { takeUntil } from "rxjs";
import type { Observable, OperatorFunction } from "rxjs";
import { withEnded } from "./with-ended.ts";

/**
 * Runs a companion as long as the source runs.
 *
 * ```text
 * source     ---a-----b--|
 * companion  -x--x--x--x--x--x-…
 * result     -x-ax--x-bx-|
 * ```
 *
 * Completes with the source, whatever the companion does. An error of either errors the result.
 *
 * @param order Which of the two is subscribed first, and so heard first. Default the companion.
 */
export function withCompanion<T, R>(
  companion$: Observable<R>,
  order?: "first" | "last",
): OperatorFunction<T, T | R> {
  return withEnded((ended$) => companion$.pipe(takeUntil(ended$)), order);
}
