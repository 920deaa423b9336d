import { checkThere } from "../measure/drain.ts";
import { BEST_PEERS } from "../systems/names.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Case, Scenario } from "./scenario.ts";

const calls = (callers: number, jobs: number): Case => ({
  label: `${callers} callers`,
  runs: fresh(async (lab, system) => {
    await using place = await lab.place(system);
    const caller = await place.child();
    // Connections are opened and statements prepared.
    const first = await caller.ask("call", { count: callers * 10, callers });
    const sent = await caller.ask("call", { count: jobs, callers });
    await checkThere(caller, [first, sent]);
    return {
      figures: { "jobs/s": sent.count / sent.seconds, "Node µs/job": sent.cpuUs / sent.count },
    };
  }),
});

/** Single jobs. */
export const enqueueScenario: Scenario = {
  name: "enqueue",
  about: "Single `enqueue()` calls in one process, each caller waiting for its last to be stored.",
  systems: ["millrace", ...BEST_PEERS],
  headline: { figure: "jobs/s", better: "more" },
  cases: (scale) => [calls(8, scaled(10_000, scale)), calls(64, scaled(20_000, scale))],
};
