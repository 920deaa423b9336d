import { setTimeout } from "node:timers/promises";
import type { Child } from "../lab/child-process.ts";
import { checkDone, start, stop, untilHandled } from "../measure/drain.ts";
import { drainRate, underLoad } from "../measure/load.ts";
import { median, rounded } from "../measure/numbers.ts";
import { fresh, measuredWarm } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";

const SIZES = `
  select coalesce(sum(n_dead_tup), 0)::float8 as dead,
         coalesce(sum(pg_total_relation_size(relid)), 0)::float8 / 1e6 as mb
    from pg_stat_user_tables`;

/** Samples that a run takes, at equal intervals. */
const SAMPLES = 40;

/** The first of them, which are left out of what is compared: code is compiled, and tables get their size. */
const WARM_SAMPLES = 8;

/** Begin and end are the medians of so many samples. */
const EDGE = 8;

/** Hours in minutes: does anything grow? */
export const soakScenario: Scenario = {
  name: "soak",
  about:
    "20 minutes of jobs at half the rate that the worker drains them at when it is warm. The begin is the fifth of them after the first, which is to get warm; the end is the last fifth. It fails where the worker warns of anything.",
  systems: ["millrace"],
  headline: { figure: "heap end/begin %", better: "less" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        const asked = (await drainRate(lab, system, measuredWarm(scale))) / 2;
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
        for (const child of [worker, loader]) await endUntroubled(child);
        return {
          figures: {
            "load jobs/s": perSecond,
            "load asked": asked,
            jobs: sent.count,
            "heap end/begin %": growth(heapMb, "the heap"),
            "tables end/begin %": growth(tablesMb, "the size of tables"),
            "dead rows end/begin %": growth(dead, "dead rows"),
            "heap MB": median(heapMb, "the heap"),
            "tables MB": median(tablesMb, "the size of tables"),
            "dead rows": median(dead, "dead rows"),
            "most dead rows": Math.max(...dead),
          },
          series: { heapMb, dead, tablesMb },
        };
      }),
    },
  ],
};

/** The end of samples of `what` in percent of the begin. Where there was nothing then, of 1. */
function growth(samples: readonly number[], what: string): number {
  const begin = median(samples.slice(WARM_SAMPLES, WARM_SAMPLES + EDGE), what);
  return (100 * median(samples.slice(-EDGE), what)) / (begin || 1);
}

/** Ends a child. Fails where it has complained of anything, or does not end as it should. */
async function endUntroubled(child: Child): Promise<void> {
  const troubles = Object.entries(await child.ask("troubles", {})).map(
    ([what, count]) => `${what} × ${count}`,
  );
  const complaint = await child.end();
  if (troubles.length > 0) throw new Error(`There was trouble: ${troubles.join(", ")}`);
  if (complaint !== undefined) throw new Error(complaint);
}
