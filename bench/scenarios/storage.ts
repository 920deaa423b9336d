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

/** How long a run lasts at scale 1. */
const SECONDS = 150;

/** How long it lasts at least: vacuum comes by every minute, where nobody has set it otherwise, so twice in a run. */
const LEAST_SECONDS = 130;

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

/** Has vacuum wait for so many dead rows, and changes nothing else. */
const vacuumAt = (rows: number): string => `
  alter table millrace.pending set (autovacuum_vacuum_threshold = ${rows});
  alter table millrace.claimed set (autovacuum_vacuum_threshold = ${rows});`;

const PAGES_FULL = "alter table millrace.claimed reset (fillfactor)";

const stored = (label: string, seconds: number, change: string): Case => ({
  label,
  runs: fresh(async (lab, system) => {
    await using place = await lab.place(system);
    if (change !== "") await place.sql(change);
    const [worker, loader, sender] = await Promise.all([place.child(), place.child(), place.child()]);
    await start([worker], { concurrency: 24, sort: "probe" });
    const before = await place.serverCpuUs();
    const load = await underLoad(loader, PER_SECOND, () =>
      Promise.all([
        sizesOf(place, seconds),
        sender.ask("probe", { count: Math.round((seconds * 1000) / 100), gapMs: 100 }),
      ]),
    );
    const [{ dead, mb }, probed] = load.result;
    const jobs = load.sent.count + probed.count;
    await untilHandled([worker], jobs);
    const after = await place.serverCpuUs();
    const { probe = [] } = await worker.ask("lateness", {});
    await stop([worker]);
    await checkDone([worker], [load.sent, probed]);
    return {
      figures: {
        ...latencies(probe).figures,
        ...(before === undefined || after === undefined ? {} : { "server µs/job": (after - before) / jobs }),
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
    "5,000 jobs a second for minutes, with tables as millrace makes them, as Postgres would by itself, and with one setting of millrace changed.",
  systems: ["millrace"],
  headline: { figure: "p99 ms", better: "less" },
  cases: (scale) => {
    const seconds = Math.max(LEAST_SECONDS, SECONDS * scale);
    return [
      stored("as millrace sets them", seconds, ""),
      stored("as Postgres comes", seconds, AS_POSTGRES_COMES),
      stored("vacuum at 1,000 dead rows", seconds, vacuumAt(1_000)),
      stored("vacuum at 50,000 dead rows", seconds, vacuumAt(50_000)),
      stored("pages full", seconds, PAGES_FULL),
    ];
  },
};

async function sizesOf(
  place: Place,
  seconds: number,
): Promise<{ readonly dead: number[]; readonly mb: number[] }> {
  const dead: number[] = [];
  const mb: number[] = [];
  for (let ms = 0; ms < seconds * 1000; ms += LOOK_MS) {
    await setTimeout(LOOK_MS);
    const [sizes] = await place.sql(SIZES);
    dead.push(Number(sizes?.["dead"]));
    mb.push(Number(sizes?.["mb"]));
  }
  return { dead, mb };
}
