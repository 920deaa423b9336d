import type { Place } from "../lab/lab.ts";
import { drainFigures, drained, fill, start, stop, untilHandled } from "../measure/drain.ts";
import { BEST_PEERS } from "../systems/names.ts";
import { compact, scaled } from "./scenario.ts";
import type { Case, Measured, Scenario } from "./scenario.ts";

/** How many of the waiting jobs a run works off. */
const TAKEN = 20_000;

/** Ready jobs, and others that are due in an hour. */
interface Backlog {
  readonly ready: number;
  readonly later: number;
}

function waiting({ ready, later }: Backlog): Case {
  return {
    label: later === 0 ? compact(ready) : `${compact(ready)}, and ${compact(later)} for later`,
    runs: async function* (lab, system) {
      await using place = await lab.place(system);
      if (later > 0) {
        const filler = await place.child();
        await filler.ask("fill", { count: later, delayMs: 3_600_000 });
        await filler.end();
      }
      let missing = ready;
      for (;;) {
        await fill(place, missing);
        const { taken, measured } = await drainSome(place);
        missing = taken;
        yield later === 0 ? { ...measured, series: { waiting: [ready] } } : measured;
      }
    },
  };
}

/** Works on what waits until `TAKEN` jobs are handled, and checks that all others are still there. */
async function drainSome(place: Place): Promise<{ readonly taken: number; readonly measured: Measured }> {
  const worker = await place.child();
  const before = await worker.ask("left", {});
  const cpuBefore = await place.serverCpuUs();
  await start([worker], { concurrency: 24, sort: "noop" });
  const tallies = await untilHandled([worker], TAKEN);
  const cpuAfter = await place.serverCpuUs();
  await stop([worker]);
  const { handled: taken } = await worker.ask("tally", {});
  const left = await worker.ask("left", {});
  await worker.end();
  if (left.count !== before.count - taken)
    throw new Error(`Of ${before.count} jobs ${taken} were handled, and ${left.count} are left`);
  const serverUs = cpuAfter === undefined ? undefined : cpuAfter - Number(cpuBefore);
  return { taken, measured: { figures: drainFigures(drained(tallies, { serverUs })) } };
}

/** What waiting jobs cost those that run. */
export const backlogScenario: Scenario = {
  name: "backlog",
  about: "The rate at which 20,000 jobs are worked off while many more wait, or are scheduled for later.",
  systems: ["millrace", ...BEST_PEERS],
  headline: { figure: "jobs/s", better: "more" },
  cases: (scale) => [
    waiting({ ready: TAKEN, later: 0 }),
    waiting({ ready: Math.max(TAKEN, scaled(1_000_000, scale)), later: 0 }),
    waiting({ ready: Math.max(TAKEN, scaled(5_000_000, scale)), later: 0 }),
    waiting({ ready: TAKEN, later: scaled(1_000_000, scale) }),
  ],
};
