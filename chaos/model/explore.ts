import { keyOf } from "./key-of.ts";
import { NO_FAULTS, canEnd, newWorld, retold, stepsOf, take } from "./lease-protocol.ts";
import type { Bounds, Faults, Step, World } from "./lease-protocol.ts";

/** What exploring came to. */
export interface Explored extends Faults {
  /** States that differ. */
  readonly states: number;
  readonly transitions: number;
  /** Steps to the farthest state. */
  readonly depth: number;
  /** States from which some job can never end. */
  readonly stuck: number;
  /** The shortest way to the first fault. */
  readonly example: readonly Step[] | undefined;
}

/** A state, and the way to it: the step before and so on. */
interface Place {
  readonly world: World;
  readonly last: Step | undefined;
  readonly before: Place | undefined;
}

/**
 * Goes through every state that the protocol can come to within the bounds, in the order of distance.
 *
 * @param fenced Whether a write asks for the claim, and not for the job's id alone.
 */
export function explore(bounds: Bounds, fenced = true): Explored {
  const first: Place = { world: newWorld(bounds, fenced), last: undefined, before: undefined };
  const seen = new Set([keyOf(first.world)]);
  let sums = NO_FAULTS;
  let [transitions, depth, stuck] = [0, 0, 0];
  let example: readonly Step[] | undefined;
  const count = (faults: Faults, place: Place): void => {
    sums = added(sums, faults);
    if (Object.values(faults).some((n: number) => n > 0)) example ??= wayTo(place);
  };
  let frontier: readonly Place[] = [first];
  while (frontier.length > 0) {
    const next: Place[] = [];
    for (const place of frontier) {
      count(retold(place.world), place);
      if (!canEnd(place.world)) {
        stuck += 1;
        example ??= wayTo(place);
      }
      for (const step of stepsOf(place.world)) {
        const { world, faults } = take(place.world, step);
        const there: Place = { world, last: step, before: place };
        transitions += 1;
        count(faults, there);
        const key = keyOf(world);
        if (seen.has(key)) continue;
        seen.add(key);
        next.push(there);
      }
    }
    if (next.length > 0) depth += 1;
    frontier = next;
  }
  return { ...sums, states: seen.size, transitions, depth, stuck, example };
}

function wayTo({ last, before }: Place): readonly Step[] {
  return last === undefined || before === undefined ? [] : [...wayTo(before), last];
}

function added(a: Faults, b: Faults): Faults {
  return {
    secondOutcomes: a.secondOutcomes + b.secondOutcomes,
    staleAccepted: a.staleAccepted + b.staleAccepted,
    rightfulRefused: a.rightfulRefused + b.rightfulRefused,
    doubleClaims: a.doubleClaims + b.doubleClaims,
    revivedLeases: a.revivedLeases + b.revivedLeases,
  };
}
