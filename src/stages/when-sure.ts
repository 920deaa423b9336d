import { delay, mergeMap, timer } from "rxjs";
import type { Observable } from "rxjs";
import type { ClaimedJob } from "../core/job.ts";
import type { Step } from "./attempt.ts";

/**
 * Begins at once while the lease stands by the clock; else when every timer that is overdue has had
 * its turn, among them that which tells of the loss. One turn is not enough: Node keeps timers in lists
 * by their length, and a list of zero that was begun before may come before that of the lease.
 */
export function whenSure(
  stands: () => boolean,
  begin: (job: ClaimedJob) => Observable<Step>,
): (job: ClaimedJob) => Observable<Step> {
  const turns$ = timer(0).pipe(delay(0));
  return (job) => (stands() ? begin(job) : turns$.pipe(mergeMap(() => begin(job))));
}
