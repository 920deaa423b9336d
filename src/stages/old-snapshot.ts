import type { WorkerEvent } from "../core/events.ts";
import type { SnapshotHolder } from "../core/store-calls.ts";
import { monotonicClock } from "../rx/monotonic-clock.ts";

/** A snapshot that was held for so long is old, in milliseconds: longer than any statement of the library. */
const OLD_MS = 60_000;

/**
 * Watches who holds the oldest snapshot, look by look: tells once of each that has become old, and when
 * there is none any more.
 *
 * ```text
 * looks   -a--b--b--b--b--c-    a, b, c: who holds it
 * result  ----------d-----r-    d: degraded, b has become old; r: restored
 * ```
 *
 * A snapshot is told of when two looks have found it, however old it is: one statement after the other
 * in a transaction that was open for long takes a snapshot of its own.
 */
export function watchOldSnapshots(
  oldMs: number = OLD_MS,
): (holder: SnapshotHolder | undefined) => readonly WorkerEvent[] {
  const clock = monotonicClock();
  let seen: { readonly holder: SnapshotHolder | undefined; readonly at: number } | undefined;
  let told: SnapshotHolder | undefined;
  return (holder) => {
    const now = clock();
    const again = isSame(seen?.holder, holder);
    if (seen === undefined || !again) seen = { holder, at: now };
    if (holder !== undefined && (holder.ageMs ?? now - seen.at) >= oldMs) {
      // The next one after that which was told may be young in truth: the next look will tell.
      if (!again || isSame(told, holder)) return [];
      told = holder;
      return [degraded(holder, now - seen.at)];
    }
    if (told === undefined) return [];
    told = undefined;
    return [{ type: "restored", cause: "old-snapshot" }];
  };
}

function degraded({ pid, name, ageMs }: SnapshotHolder, seenMs: number): WorkerEvent {
  return {
    type: "degraded",
    cause: "old-snapshot",
    pid,
    ageMs: Math.round(ageMs ?? seenMs),
    holder: name,
  };
}

function isSame(one: SnapshotHolder | undefined, other: SnapshotHolder | undefined): boolean {
  return one?.horizon === other?.horizon && one?.pid === other?.pid;
}
