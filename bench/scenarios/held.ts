import type { Sent } from "../child/orders.ts";
import type { Place } from "../lab/lab.ts";
import { checkDone, drained, start, stop, untilHandled } from "../measure/drain.ts";
import { median, rounded } from "../measure/numbers.ts";
import { fresh, scaled } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 40;

/** Rounds before the snapshot, so that the first ones are no slower for being the first. */
const WARM_ROUNDS = 3;

/** Begin and end are the medians of so many rounds. */
const EDGE = 3;

/** Dead rows that nobody may remove. */
export const heldScenario: Scenario = {
  name: "held",
  about:
    "Three rounds of 25,000 jobs to get warm, then 1,000,000 in such rounds while another session holds a snapshot, so that no deleted row can be cleaned up.",
  systems: ["millrace", "graphile-worker", "pg-boss", "bullmq-postgres"],
  headline: { figure: "last/first %", better: "more" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        await using place = await lab.place(system);
        const [worker, filler] = await Promise.all([place.child(), place.child()]);
        await start([worker], { concurrency: 24, sort: "noop" });
        const inRound = scaled(25_000, scale);
        const sent: Sent[] = [];
        const round = async (): Promise<number> => {
          await worker.ask("lap", {});
          sent.push(await filler.ask("fillAtOnce", { count: inRound }));
          const tallies = await untilHandled([worker], sent.length * inRound);
          return rounded(drained(tallies, { count: inRound }).jobsPerS);
        };
        while (sent.length < WARM_ROUNDS) await round();
        await place.settle();
        await using _snapshot = await place.holdSnapshot();
        const rates: number[] = [];
        while (rates.length < ROUNDS) rates.push(await round());
        await stop([worker]);
        await checkDone([worker], sent);
        const dead = await deadRows(place, ROUNDS * inRound);
        const first = median(rates.slice(0, EDGE), "the rates of rounds");
        const last = median(rates.slice(-EDGE), "the rates of rounds");
        return {
          figures: {
            "first jobs/s": first,
            "last jobs/s": last,
            "last/first %": (100 * last) / first,
            "dead rows/job": dead / (ROUNDS * inRound),
          },
          series: { rounds: rates, jobs: rates.map((_, n) => (n + 1) * inRound) },
        };
      }),
    },
  ],
};

/** How many dead rows stand after a vacuum. Fails where they are fewer than jobs, for then they were not held. */
async function deadRows(place: Place, jobs: number): Promise<number> {
  // It counts those that it has to leave.
  await place.sql("vacuum");
  const [row] = await place.sql("select sum(n_dead_tup)::float8 as dead from pg_stat_user_tables");
  const dead = Number(row?.["dead"]);
  if (!(dead >= jobs)) throw new Error(`The snapshot held ${dead} dead rows of ${jobs} jobs`);
  return dead;
}
