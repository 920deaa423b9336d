import type { WrongClock } from "../children/wrong-clock.ts";
import type { Random } from "./random.ts";

/** How far a clock is off at most, in milliseconds. */
export const MOST_MS = 600_000;

/** How long a clock is set again and again, in milliseconds. */
const WHILE_MS = 60_000;

/** Half as quick, right, or half as quick again. */
const SPEEDS = [0.5, 1, 1.5];

/** A clock that starts as far ahead as it is told, and is set to somewhere else several times a second. */
export function jumpingClock({ between, integer }: Random, aheadMs: number): WrongClock {
  const jumps: { afterMs: number; byMs: number }[] = [];
  let nowAheadMs = aheadMs;
  for (let afterMs = between(100, 600); afterMs < WHILE_MS; afterMs += between(100, 600)) {
    const toMs = between(-MOST_MS, MOST_MS);
    jumps.push({ afterMs, byMs: toMs - nowAheadMs });
    nowAheadMs = toMs;
  }
  return { aheadMs, speed: SPEEDS[integer(0, SPEEDS.length - 1)] ?? 1, jumps, alone: false };
}

/** As far ahead, as far behind, or somewhere between. */
export function clockOf(random: Random, place: number): WrongClock {
  const ahead = [MOST_MS, -MOST_MS][place] ?? random.between(-MOST_MS, MOST_MS);
  return jumpingClock(random, ahead);
}

/** A clock that is only ever set forward. */
export function forwardClock({ between }: Random): WrongClock {
  const jumps: { afterMs: number; byMs: number }[] = [];
  for (let afterMs = 0; afterMs < WHILE_MS; afterMs += between(100, 500))
    jumps.push({ afterMs, byMs: between(MOST_MS / 100, MOST_MS / 10) });
  return { aheadMs: 0, speed: 1, jumps, alone: false };
}
