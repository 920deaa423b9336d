import { checkDone, start, stop, untilHandled } from "../measure/drain.ts";
import { quantile } from "../measure/numbers.ts";
import { PEERS } from "../systems/names.ts";
import { fresh } from "./scenario.ts";
import type { Scenario } from "./scenario.ts";

/** Well below what any of them can do, so that lateness is that of the library and not of its load. */
const PER_SECOND = 400;

/** How early an attempt may seem to begin, in milliseconds: dates are in whole ones, on another clock. */
const CLOCKS_MS = 5;

/** Everything at once. */
export const mixedScenario: Scenario = {
  name: "mixed",
  about:
    "400 jobs a second for 30 s over 5 queues and 3 priorities; 5 % fail once and are tried again, 10 % are delayed by up to 2 s. Lateness is counted from the moment that an attempt is due, and a run fails where one begins earlier.",
  systems: ["millrace", ...PEERS],
  headline: { figure: "delayed p99 ms", better: "less" },
  cases: (scale) => [
    {
      label: "",
      runs: fresh(async (lab, system) => {
        await using place = await lab.place(system, { queues: 5 });
        const [worker, sender] = await Promise.all([place.child(), place.child()]);
        await start([worker], { concurrency: 8, sort: "mixed" });
        const sent = await sender.ask("mix", { perSecond: PER_SECOND, seconds: Math.max(3, 30 * scale) });
        await untilHandled([worker], sent.count);
        const lateness = await worker.ask("lateness", {});
        await stop([worker]);
        await checkDone([worker], [sent]);
        checkNotEarly(lateness);
        const late = (sort: string, share: number): number =>
          quantile(lateness[sort] ?? [], share, `how late ${sort} attempts began`);
        return {
          figures: {
            "prompt p99 ms": late("prompt", 0.99),
            "delayed p50 ms": late("delayed", 0.5),
            "delayed p99 ms": late("delayed", 0.99),
            "retried p50 ms": late("retried", 0.5),
            "retried p99 ms": late("retried", 0.99),
          },
        };
      }),
    },
  ],
};

function checkNotEarly(lateness: Readonly<Record<string, readonly number[]>>): void {
  for (const [sort, samples] of Object.entries(lateness)) {
    const least = Math.min(...samples);
    if (least < -CLOCKS_MS) throw new Error(`A ${sort} attempt began ${Math.round(-least)} ms too early`);
  }
}
