import { setTimeout } from "node:timers/promises";
import type { Lab } from "../lab/lab.ts";
import { checkDone, start, stop, untilHandled } from "../measure/drain.ts";
import { drainRate, underLoad } from "../measure/load.ts";
import { BEST_PEERS } from "../systems/names.ts";
import type { SystemName } from "../systems/names.ts";
import { latencies } from "./latency.ts";
import { fresh, measuredWarm, scaled } from "./scenario.ts";
import type { Case, Scenario } from "./scenario.ts";

/**
 * How long the load goes on before the first probe, in milliseconds. A worker that begins under load falls behind
 * while its code is compiled: on a slow machine it took seven seconds until that was made up for.
 */
const WARM_MS = 10_000;

/** Jobs a second that are far from what most systems can do. */
const LIGHT = 2_000;

const beside = (
  label: string,
  scale: number,
  rateOf: (lab: Lab, system: SystemName) => number | Promise<number>,
): Case => ({
  label,
  runs: fresh(async (lab, system) => {
    const asked = await rateOf(lab, system);
    await using place = await lab.place(system);
    const [worker, loader, sender] = await Promise.all([place.child(), place.child(), place.child()]);
    await start([worker], { concurrency: 24, sort: "probe" });
    const before = await place.serverCpuUs();
    const load = await underLoad(loader, asked, async () => {
      await setTimeout(WARM_MS);
      return sender.ask("probe", { count: scaled(1000, scale), gapMs: 20 });
    });
    const sent = [load.sent, load.result];
    const jobs = load.sent.count + load.result.count;
    const [tally] = await untilHandled([worker], jobs);
    const after = await place.serverCpuUs();
    const { probe = [] } = await worker.ask("lateness", {});
    await stop([worker]);
    await checkDone([worker], sent);
    const { figures, series = {} } = latencies(probe);
    return {
      figures: {
        ...figures,
        "load jobs/s": load.perSecond,
        "load asked": asked,
        "Node µs/job": (tally?.cpuUs ?? 0) / Number(tally?.handled),
        ...(before === undefined || after === undefined ? {} : { "server µs/job": (after - before) / jobs }),
      },
      series,
    };
  }),
});

/** Pickup by a worker that is busy. */
export const latencyLoadScenario: Scenario = {
  name: "latency-load",
  about:
    "The same while other jobs arrive: at half the rate that the worker drains them at when it is warm, and 2,000 a second for all.",
  systems: ["millrace", ...BEST_PEERS],
  headline: { figure: "p99 ms", better: "less" },
  cases: (scale) => [
    beside("half its drain", scale, async (lab, system) => {
      const jobsPerS = await drainRate(lab, system, measuredWarm(scale));
      return jobsPerS / 2;
    }),
    beside("2,000 jobs/s", scale, () => LIGHT),
  ],
};
