import { defer, mergeMap } from "rxjs";
import type { OperatorFunction } from "rxjs";
import type { ClusterEvent } from "./cluster-event.ts";
import type { Chunk } from "./codec.ts";
import type { WorkerEvent } from "../core/events.ts";

/** The most streams whose numbers are kept; those that were heard of first are forgotten. */
const MAX_STREAMS = 10_000;

/**
 * Takes chunks apart, leaves out what came before, and tells where numbers skip.
 *
 * ```text
 * chunk$   --(1 2)--(2 3)--(6 7)--(9 …)-
 * result   --(1 2)--3------(g67)--g-----     g gap: 2 missed, 1 missed
 * ```
 *
 * The first chunk of a stream sets where it begins, for nobody knows what was sent before.
 */
export function gaps(): OperatorFunction<Chunk, ClusterEvent> {
  return (chunk$) =>
    defer(() => {
      const nextOf = new Map<string, number>();
      return chunk$.pipe(
        mergeMap(({ stream, worker, first, events }): readonly ClusterEvent[] => {
          const expected = nextOf.get(stream) ?? first;
          const fresh = first < expected ? events.slice(expected - first) : events;
          nextOf.set(stream, Math.max(expected, first + events.length));
          if (isLast(fresh.at(-1))) nextOf.delete(stream);
          else if (nextOf.size > MAX_STREAMS) forgetOldest(nextOf);
          const told = fresh.map((event): ClusterEvent => ({ ...event, worker }));
          return first > expected ? [{ type: "gap", missed: first - expected, worker }, ...told] : told;
        }),
      );
    });
}

function isLast(event: WorkerEvent | undefined): boolean {
  return event?.type === "exited" || event?.type === "worker-failed";
}

function forgetOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
