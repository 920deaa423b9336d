import { setTimeout } from "node:timers/promises";
import type { Place } from "../lab/lab.ts";
import { checkDone, start, stop, untilHandled } from "../measure/drain.ts";
import { underLoad } from "../measure/load.ts";
import { median } from "../measure/numbers.ts";
import { latencies } from "./latency.ts";
import { fresh } from "./scenario.ts";
import type { Case, Scenario } from "./scenario.ts";

/** What a worker is sent, which leaves time on two processors. */
const PER_SECOND = 5_000;

/** Vacuum comes by every minute, where nobody has set it otherwise: three times in a run. */
const SECONDS = 200;

/** How often the tables are looked at, in milliseconds. */
const LOOK_MS = 2_000;

const SIZES = `
  select coalesce(sum(n_dead_tup), 0)::float8 as dead,
         coalesce(sum(pg_total_relation_size(relid)), 0)::float8 / 1e6 as mb
    from pg_stat_user_tables where relname in ('pending', 'claimed')`;

const AS_POSTGRES_COMES = `
  alter table millrace.pending reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_vacuum_insert_threshold, autovacuum_vacuum_cost_delay, autovacuum_analyze_scale_factor,
    autovacuum_analyze_threshold, vacuum_truncate);
  alter table millrace.claimed reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_vacuum_insert_threshold, autovacuum_vacuum_cost_delay, autovacuum_analyze_scale_factor,
    autovacuum_analyze_threshold, vacuum_truncate, fillfactor);`;

const stored = (label: string, change: string): Case => ({
  label,
  runs: fresh(async (lab, system) => {
    await using place = await lab.place(system);
    if (change !== "") await place.sql(change);
    const [worker, loader, sender] = await Promise.all([place.child(), place.child(), place.child()]);
    await start([worker], { concurrency: 24, sort: "probe" });
    const before = await place.serverCpuUs();
    const load = await underLoad(loader, PER_SECOND, () =>
      Promise.all([
        sizesOf(place),
        sender.ask("probe", { count: Math.round((SECONDS * 1000) / 100), gapMs: 100 }),
      ]),
    );
    const [{ dead, mb }, probed] = load.result;
    await untilHandled([worker], load.sent.count + probed.count);
    const after = await place.serverCpuUs();
    const { probe = [] } = await worker.ask("lateness", {});
    await stop([worker]);
    await checkDone([worker], [load.sent, probed]);
    return {
      figures: {
        ...latencies(probe).figures,
        ...(before === undefined || after === undefined
          ? {}
          : { "server µs/job": (after - before) / load.sent.count }),
        "dead rows": median(dead, "dead rows"),
        "most dead rows": Math.max(...dead),
        "tables MB": median(mb, "the size of tables"),
        "load jobs/s": load.perSecond,
      },
      series: { dead, mb },
    };
  }),
});

/** What the settings of the tables that every job passes through are good for. */
export const storageScenario: Scenario = {
  name: "storage",
  about:
    "5,000 jobs a second for 200 s, with tables as millrace makes them, and as Postgres would by itself.",
  systems: ["millrace"],
  headline: { figure: "p99 ms", better: "less" },
  cases: () => [
    stored("as millrace sets them", ""),
    stored("as Postgres comes", AS_POSTGRES_COMES),
    stored("no room in pages", "alter table millrace.claimed reset (fillfactor)"),
  ],
};

async function sizesOf(place: Place): Promise<{ readonly dead: number[]; readonly mb: number[] }> {
  const dead: number[] = [];
  const mb: number[] = [];
  for (let ms = 0; ms < SECONDS * 1000; ms += LOOK_MS) {
    await setTimeout(LOOK_MS);
    const [sizes] = await place.sql(SIZES);
    dead.push(Number(sizes?.["dead"]));
    mb.push(Number(sizes?.["mb"]));
  }
  return { dead, mb };
}
