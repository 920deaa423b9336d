import type { Place } from "../lab/lab.ts";
import { drain, drainFigures, drained, fill, start, stop, untilHandled } from "../measure/drain.ts";
import type { Drained } from "../measure/drain.ts";
import { PEERS } from "../systems/names.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";

const WAITING = { concurrency: 200, sort: "wait" } as const;

/** Jobs that wait for something. */
export const drainIoScenario: Scenario = {
  name: "drain-io",
  about:
    "20,000 jobs that each wait 5 ms, one process, concurrency 200. `timers` is 200 bare loops that wait as long and have no queue: a timer of 5 ms fires after 5 to 6 ms.",
  systems: ["timers", "millrace", ...PEERS],
  headline: { figure: "jobs/s", better: "more" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        await using place = await lab.place(system);
        const jobs = scaled(20_000, scale);
        const took = system === "timers" ? await loop(place, jobs) : await work(place, jobs);
        return { figures: drainFigures(took) };
      }),
    },
  ],
};

async function work(place: Place, jobs: number): Promise<Drained> {
  return drain(place, await fill(place, jobs), WAITING);
}

/** Nothing was sent, so that nothing can be checked but that it went on. */
async function loop(place: Place, jobs: number): Promise<Drained> {
  const worker = await place.child();
  await start([worker], WAITING);
  const tallies = await untilHandled([worker], jobs);
  await stop([worker]);
  return drained(tallies, { count: jobs });
}
