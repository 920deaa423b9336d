import { drain, drainFigures, fill } from "../measure/drain.ts";
import type { Draining } from "../measure/drain.ts";
import { PEERS } from "../systems/names.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Case, Scenario } from "./scenario.ts";

const noops = (jobs: number, label = "", more: Partial<Draining> = {}): Case => ({
  label,
  runs: fresh(async (lab, system) => {
    await using place = await lab.place(system);
    const sent = await fill(place, jobs);
    return { figures: drainFigures(await drain(place, sent, { concurrency: 24, sort: "noop", ...more })) };
  }),
});

/** No-op jobs through one process. */
export const drainScenario: Scenario = {
  name: "drain",
  about: "100,000 waiting jobs that do nothing, one process, concurrency 24.",
  systems: ["limit", "millrace", "millrace-sync", ...PEERS],
  headline: { figure: "jobs/s", better: "more" },
  cases: (scale) => [noops(scaled(100_000, scale))],
};

/** The yardstick by itself. */
export const limitScenario: Scenario = {
  ...drainScenario,
  name: "limit",
  about:
    "The bare loop: claim 500, complete 500, and the same with 2,000, over the same tables with the same driver, and no library.",
  systems: ["limit"],
  cases: (scale) =>
    [500, 2000].map((atOnce) =>
      noops(scaled(100_000, scale), `${atOnce.toLocaleString("en")} at once`, { atOnce }),
    ),
};
