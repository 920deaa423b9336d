import { concat, concatMap, defer, from, of, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import type { WorkerEvent } from "../core/events.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";
import { checkFixture } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

/**
 * Plays a fixture of `record`: the same events at the same times from the subscription, in virtual
 * time inside `marbles`, in real time elsewhere.
 *
 * ```text
 * fixture   [[1, a], [3, b], [9, c]], end 10
 * result    -a-b-----c|
 * ```
 *
 * Cold. Where the recorded stream errored, it errors with an `Error` of that name and message.
 *
 * @param fixture What `record` made, also after a round through JSON.
 * @throws FixtureError at the call, for a fixture of another version or a broken one.
 */
export function replay(fixture: unknown): Observable<WorkerEvent> {
  checkFixture(fixture);
  const { end } = fixture;
  const moments = momentsOf(fixture.events);
  return defer(() => {
    const now = monotonicClock();
    const startedAt = now();
    const at = (ms: number): Observable<unknown> => {
      const left = startedAt + ms - now();
      return left > 0 ? timer(left) : of(undefined);
    };
    return concat(
      from(moments).pipe(concatMap(([ms, events]) => at(ms).pipe(concatMap(() => events)))),
      defer(() => at(end.ms)).pipe(
        concatMap(() =>
          end.error === undefined ? [] : throwError(() => Object.assign(new Error(), end.error)),
        ),
      ),
    );
  });
}

/** The events of each moment together. */
function momentsOf(events: Fixture["events"]): ReadonlyMap<number, readonly WorkerEvent[]> {
  const moments = new Map<number, WorkerEvent[]>();
  for (const [ms, event] of events) {
    const same = moments.get(ms);
    if (same === undefined) moments.set(ms, [event]);
    else same.push(event);
  }
  return moments;
}
