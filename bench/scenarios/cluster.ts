import { drain, drainFigures, fill } from "../measure/drain.ts";
import { BEST_PEERS } from "../systems/names.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Case, Scenario } from "./scenario.ts";

const processes = (workers: number, jobs: number): Case => ({
  label: workers === 1 ? "1 process" : `${workers} processes`,
  runs: fresh(async (lab, system) => {
    await using place = await lab.place(system);
    const sent = await fill(place, jobs);
    return { figures: drainFigures(await drain(place, sent, { concurrency: 24, sort: "noop", workers })) };
  }),
});

/** Several workers, and what they cost the server. */
export const clusterScenario: Scenario = {
  name: "cluster",
  about: "100,000 waiting jobs that do nothing, 1, 2 and 4 worker processes, concurrency 24 each.",
  systems: ["millrace", ...BEST_PEERS],
  headline: { figure: "server µs/job", better: "less" },
  cases: (scale) => [1, 2, 4].map((workers) => processes(workers, scaled(100_000, scale))),
};
