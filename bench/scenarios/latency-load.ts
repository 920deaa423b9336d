import type { Lab } from "../lab/lab.ts";
import { checkDone, drain, fill, start, stop, untilHandled } from "../measure/drain.ts";
import type { SystemName } from "../systems/names.ts";
import { BEST_PEERS } from "../systems/names.ts";
import { latencies } from "./latency.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";

/** How many jobs a second a system's worker drains, from a short drain. */
export async function drainRate(lab: Lab, system: SystemName): Promise<number> {
  await using place = await lab.place(system);
  const sent = await fill(place, 20_000);
  const { jobsPerS } = await drain(place, sent, { concurrency: 24, sort: "noop" });
  return jobsPerS;
}

/** Pickup by a worker that is busy. */
export const latencyLoadScenario: Scenario = {
  name: "latency-load",
  about: "The same while other jobs arrive at half the rate that the worker drains them at.",
  systems: ["millrace", ...BEST_PEERS],
  headline: { figure: "p99 ms", better: "less" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        const perSecond = (await drainRate(lab, system)) / 2;
        await using place = await lab.place(system);
        const [worker, loader, sender] = await Promise.all([place.child(), place.child(), place.child()]);
        await start([worker], { concurrency: 24, sort: "probe" });
        const seconds = 1 + 25 * scale;
        const load = loader.ask("load", { perSecond, seconds });
        const probes = sender.ask("probe", { count: scaled(1000, scale), gapMs: 20 });
        const sent = await Promise.all([load, probes]);
        const [tally] = await untilHandled([worker], sent[0].count + sent[1].count);
        const { probe = [] } = await worker.ask("lateness", {});
        await stop([worker]);
        await checkDone([worker], sent);
        const { figures, series = {} } = latencies(probe);
        return {
          figures: {
            ...figures,
            "load jobs/s": perSecond,
            "Node µs/job": (tally?.cpuUs ?? 0) / Number(tally?.handled),
          },
          series,
        };
      }),
    },
  ],
};
