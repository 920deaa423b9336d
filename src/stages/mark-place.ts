import type { ClaimedJob } from "../core/job.ts";
import type { Place } from "../core/store-calls.ts";

/**
 * The place behind which claims begin: it follows the last job that was claimed, one to two turns later,
 * for what is committed late.
 */
export interface MarkPlace {
  /** `undefined` before the first job. */
  readonly place: () => Place | undefined;
  /** A claim brought this at a moment in milliseconds, in its order, and was full or not. */
  readonly claimed: (jobs: readonly ClaimedJob[], isFull: boolean, at: number) => void;
}

/** Where the mark stands, where it will stand after the next turn, and behind the last job. */
type Places = readonly [mark: Place, coming: Place, newest: Place];

/** The time between two turns, in milliseconds. */
const TURN_MS = 500;

/**
 * Makes it.
 *
 * - Behind a claim that was full more may wait. So where its last job comes earlier than the mark, that is
 *   taken back.
 * - After one that was not, the mark follows the priority of most of its jobs. It is taken back at once to
 *   one that is more urgent, but goes on to a less urgent one only when no job of its own has come for the
 *   time of a turn: those would all stand before it.
 *
 * ```text
 * claimed   1 2 3 4 5 6 7 8 9      three jobs in each turn
 * newest    1 2 3 4 5 6 7 8 9
 * coming    1 1 1 3 3 3 6 6 6
 * mark      1 1 1 1 1 1 3 3 3
 * ```
 */
export function createMarkPlace(): MarkPlace {
  let places: Places | undefined;
  let turnedAt = -Infinity;
  let newestAt = -Infinity;
  return {
    place: () => places?.[0],
    claimed: (jobs, isFull, at) => {
      if (at - turnedAt >= TURN_MS) {
        turnedAt = at;
        places &&= [places[1], places[2], places[2]];
      }
      const last = lastOf(jobs, isFull);
      if (last === undefined) return;
      const [mark, coming, newest] = places ?? [last, last, last];
      const isLessUrgent = last.priority > newest.priority;
      if (!isFull && isLessUrgent && at - newestAt < TURN_MS) return;
      newestAt = at;
      places =
        isFull || last.priority < newest.priority
          ? [earlier(mark, last), earlier(coming, last), last]
          : [mark, coming, isBefore(newest, last) ? last : newest];
    },
  };
}

/**
 * The last job of a full claim; of another, the last of the priority of most. Those that a worker died with
 * come before the others, out of their turn.
 */
function lastOf(jobs: readonly ClaimedJob[], isFull: boolean): Place | undefined {
  const middle = jobs[(jobs.length - 1) >> 1];
  const last = isFull ? jobs.at(-1) : jobs.findLast(({ priority }) => priority === middle?.priority);
  return last === undefined || last.crashes > 0 ? undefined : { priority: last.priority, id: last.id };
}

function earlier(a: Place, b: Place): Place {
  return isBefore(b, a) ? b : a;
}

function isBefore(a: Place, b: Place): boolean {
  return a.priority === b.priority ? BigInt(a.id) < BigInt(b.id) : a.priority < b.priority;
}
