import { checkDone, start, stop, untilHandled } from "../measure/drain.ts";
import { percentiles, quantile } from "../measure/numbers.ts";
import { PEERS } from "../systems/names.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Measured, Scenario } from "./scenario.ts";

/** What is sampled. */
const LATE = "how late probes began";

/** The figures of a distribution of latencies, in milliseconds. */
export function latencies(samples: readonly number[]): Measured {
  return {
    figures: {
      "p50 ms": quantile(samples, 0.5, LATE),
      "p99 ms": quantile(samples, 0.99, LATE),
      "max ms": quantile(samples, 1, LATE),
    },
    series: { percentiles: percentiles(samples, LATE) },
  };
}

/** Pickup from another process. */
export const latencyScenario: Scenario = {
  name: "latency",
  about: "From `enqueue()` in one process to the handler's start in another, idle between: 1,000 jobs.",
  systems: ["millrace", ...PEERS],
  headline: { figure: "p50 ms", better: "less" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        await using place = await lab.place(system);
        const [worker, sender] = await Promise.all([place.child(), place.child()]);
        await start([worker], { concurrency: 24, sort: "probe" });
        const sent = await sender.ask("probe", { count: scaled(1000, scale), gapMs: 25 });
        await untilHandled([worker], sent.count);
        const { probe = [] } = await worker.ask("lateness", {});
        await stop([worker]);
        await checkDone([worker], [sent]);
        return latencies(probe);
      }),
    },
  ],
};
