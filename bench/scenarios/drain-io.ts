import { WAIT_MS } from "../child/handlers.ts";
import { drain, drainFigures, fill } from "../measure/drain.ts";
import { PEERS } from "../systems/names.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";

const CONCURRENCY = 200;

/** What that many jobs at once come to, if nothing came between them. */
const IDEAL_PER_S = (CONCURRENCY / WAIT_MS) * 1000;

/** Jobs that wait for something. */
export const drainIoScenario: Scenario = {
  name: "drain-io",
  about: "20,000 jobs that each wait 5 ms, one process, concurrency 200.",
  systems: ["millrace", ...PEERS],
  headline: { figure: "jobs/s", better: "more" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        await using place = await lab.place(system);
        const sent = await fill(place, scaled(20_000, scale));
        const drained = await drain(place, sent, { concurrency: CONCURRENCY, sort: "wait" });
        return {
          figures: { ...drainFigures(drained), "of ideal %": (100 * drained.jobsPerS) / IDEAL_PER_S },
        };
      }),
    },
  ],
};
