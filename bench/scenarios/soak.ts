import { setTimeout } from "node:timers/promises";
import { checkDone, start, stop, untilHandled } from "../measure/drain.ts";
import { drainRate, underLoad } from "../measure/load.ts";
import { median, rounded } from "../measure/numbers.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";

const SIZES = `
  select coalesce(sum(n_dead_tup), 0)::float8 as dead,
         coalesce(sum(pg_total_relation_size(relid)), 0)::float8 / 1e6 as mb
    from pg_stat_user_tables`;

/** Samples that a run takes, at equal intervals. */
const SAMPLES = 40;

/** Hours in minutes: does anything grow? */
export const soakScenario: Scenario = {
  name: "soak",
  about: "20 minutes of jobs at half the rate that the worker drains them at when it is warm.",
  systems: ["millrace"],
  headline: { figure: "heap end/begin %", better: "less" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        const asked = (await drainRate(lab, system, scaled(100_000, scale))) / 2;
        await using place = await lab.place(system);
        const [worker, loader] = await Promise.all([place.child(), place.child()]);
        await start([worker], { concurrency: 24, sort: "noop" });
        const seconds = Math.max(40, 1200 * scale);
        const heapMb: number[] = [];
        const dead: number[] = [];
        const tablesMb: number[] = [];
        const { sent, perSecond } = await underLoad(loader, asked, async () => {
          while (heapMb.length < SAMPLES) {
            await setTimeout((seconds * 1000) / SAMPLES);
            heapMb.push(rounded((await worker.ask("usage", {})).heapMb));
            const [sizes] = await place.sql(SIZES);
            dead.push(Number(sizes?.["dead"]));
            tablesMb.push(rounded(Number(sizes?.["mb"])));
          }
        });
        await untilHandled([worker], sent.count);
        await stop([worker]);
        await checkDone([worker], [sent]);
        const growth = (numbers: readonly number[]): number => {
          const [, second, , fourth] = quarters(numbers);
          return (100 * median(fourth ?? [])) / median(second ?? []);
        };
        return {
          figures: {
            "load jobs/s": perSecond,
            "load asked": asked,
            jobs: sent.count,
            "heap end/begin %": growth(heapMb),
            "tables end/begin %": growth(tablesMb),
            "heap MB": median(heapMb),
            "tables MB": median(tablesMb),
            "dead rows": median(dead),
            "most dead rows": Math.max(...dead),
          },
          series: { heapMb, dead, tablesMb },
        };
      }),
    },
  ],
};

function quarters(numbers: readonly number[]): number[][] {
  const size = Math.floor(numbers.length / 4);
  return [0, 1, 2, 3].map((quarter) => numbers.slice(quarter * size, (quarter + 1) * size));
}
