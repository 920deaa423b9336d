import type { Sent } from "../child/orders.ts";
import { checkDone, drained, start, stop, untilHandled } from "../measure/drain.ts";
import { median, rounded } from "../measure/numbers.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";

const ROUND = 25_000;

/** Begin and end are the medians of so many rounds. */
const EDGE = 3;

/** Dead rows that nobody may remove. */
export const heldScenario: Scenario = {
  name: "held",
  about:
    "Rounds of 25,000 jobs, 1,000,000 in all, while another session holds a snapshot from before the first, so that no deleted row can be cleaned up.",
  systems: ["millrace", "graphile-worker", "pg-boss", "bullmq-postgres"],
  headline: { figure: "last/first %", better: "more" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        await using place = await lab.place(system);
        await place.sql("begin isolation level repeatable read");
        await place.sql("select count(*) from pg_class");
        const [worker, filler] = await Promise.all([place.child(), place.child()]);
        await start([worker], { concurrency: 24, sort: "noop" });
        const rounds = Math.max(2 * EDGE, Math.round(scaled(1_000_000, scale) / ROUND));
        const sent: Sent[] = [];
        const rates: number[] = [];
        while (sent.length < rounds) {
          await worker.ask("lap", {});
          sent.push(await filler.ask("fillAtOnce", { count: ROUND }));
          const tallies = await untilHandled([worker], sent.length * ROUND);
          rates.push(rounded(drained(tallies).jobsPerS));
        }
        await place.sql("rollback");
        await stop([worker]);
        await checkDone([worker], sent);
        const first = median(rates.slice(0, EDGE));
        const last = median(rates.slice(-EDGE));
        return {
          figures: { "first jobs/s": first, "last jobs/s": last, "last/first %": (100 * last) / first },
          series: { rounds: rates },
        };
      }),
    },
  ],
};
