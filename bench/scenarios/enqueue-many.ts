import { checkThere } from "../measure/drain.ts";
import { BEST_PEERS } from "../systems/names.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";

/** Many jobs at once. */
export const enqueueManyScenario: Scenario = {
  name: "enqueue-many",
  about: "100,000 jobs in one call.",
  systems: ["millrace", ...BEST_PEERS],
  headline: { figure: "jobs/s", better: "more" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        await using place = await lab.place(system);
        const caller = await place.child();
        const cpuBefore = await place.serverCpuUs();
        const sent = await caller.ask("fillAtOnce", { count: scaled(100_000, scale) });
        const cpuAfter = await place.serverCpuUs();
        await checkThere(caller, [sent]);
        return {
          figures: {
            "jobs/s": sent.count / sent.seconds,
            "Node µs/job": sent.cpuUs / sent.count,
            ...(cpuAfter === undefined
              ? {}
              : { "server µs/job": (cpuAfter - Number(cpuBefore)) / sent.count }),
          },
        };
      }),
    },
  ],
};
