import type { Place } from "../lab/lab.ts";
import { checkThere, drainFigures, drainWarm, fill, stop } from "../measure/drain.ts";
import type { Counted } from "../measure/drain.ts";
import { BEST_PEERS } from "../systems/names.ts";
import { compact, measuredWarm, scaled } from "./scenario.ts";
import type { Case, Measured, Scenario } from "./scenario.ts";

/** How many jobs a run works off while the backlog waits behind them: some to get warm, others that count. */
interface Taken {
  readonly warm: number;
  readonly count: number;
}

/**
 * How long after they were sent jobs for later are due, in milliseconds: 7 days. One place serves all runs of a
 * system, while others take turns with it, which may take longer than an hour where one of them is slow.
 */
const LATER_MS = 7 * 24 * 3_600_000;

/** Ready jobs that still wait when a run ends, and others that are due long after. */
interface Backlog {
  readonly ready: number;
  readonly later: number;
}

function waiting({ ready, later }: Backlog, taken: Taken): Case {
  return {
    label: later === 0 ? compact(ready) : `${compact(ready)}, and ${compact(later)} for later`,
    runs: async function* (lab, system) {
      await using place = await lab.place(system);
      const there: Counted[] = [];
      if (later > 0) {
        const filler = await place.child();
        there.push(await filler.ask("fill", { count: later, delayMs: LATER_MS }));
        await filler.end();
      }
      let missing = ready + taken.warm + taken.count;
      for (;;) {
        there.push(await fill(place, missing));
        const { handled, measured } = await drainSome(place, there, taken);
        there.push({ count: -handled.count, sum: -handled.sum });
        missing = handled.count;
        yield later === 0 ? { ...measured, series: { waiting: [ready] } } : measured;
      }
    },
  };
}

interface Some {
  readonly handled: Counted;
  readonly measured: Measured;
}

/** Works on what is there until as many jobs are handled as are taken, and checks that the others are left. */
async function drainSome(place: Place, there: readonly Counted[], taken: Taken): Promise<Some> {
  const worker = await place.child();
  const drained = await drainWarm(place, worker, taken);
  await stop([worker]);
  const { handled: count, sum } = await worker.ask("tally", {});
  await checkThere(worker, [...there, { count: -count, sum: -sum }]);
  await worker.end();
  return { handled: { count, sum }, measured: { figures: drainFigures(drained) } };
}

/** What waiting jobs cost those that run. */
export const backlogScenario: Scenario = {
  name: "backlog",
  about:
    "The rate at which a warm worker takes 100,000 jobs while as many as the case says wait behind them, or are scheduled for later as well.",
  systems: ["millrace", ...BEST_PEERS],
  headline: { figure: "jobs/s", better: "more", acrossCases: true },
  cases: (scale) => {
    const count = measuredWarm(scale);
    const taken = { warm: count / 5, count };
    const least = scaled(20_000, scale);
    const more = scaled(1_000_000, scale);
    return [
      waiting({ ready: least, later: 0 }, taken),
      waiting({ ready: more, later: 0 }, taken),
      waiting({ ready: 5 * more, later: 0 }, taken),
      waiting({ ready: least, later: more }, taken),
    ];
  },
};
