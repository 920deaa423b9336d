import { atLeast, atMost, is } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";

const MAX_ATTEMPTS = 3;

const WORKERS = 3;

/** What came of the job that ends its process, and of the others. */
const POISON_SQL = `
with poison as (select e.job from chaos.enqueued e where e.deed = 'abort-process')
select (select count(*) from chaos.runs r join poison p on p.job = r.job)::int as "poisonRuns",
       (select count(*) from millrace.failed f join poison p on p.job = f.id)::int as "poisonFailed",
       (select count(*) from millrace.failed f where f.id not in (select p.job from poison p))::int
         as "innocentFailed",
       (select coalesce(sum(c.charged), 0) from (
          select max(h.attempt) - 1 as charged from chaos.history h
           where h.what = 'claimed' and h.job not in (select p.job from poison p) group by h.job) c)::int
         as "innocentCharges"`;

/**
 * One job of many ends whatever process runs it, as one that runs out of memory does. Its neighbours
 * must not pay for it. No process may end of anything else before all is done: each that took
 * the place of another is one run of that job, and so is each that aborted.
 */
export const t22: ChaosTest = {
  id: "T22",
  title: "one job of 1,000 aborts its process; 3 workers, restarted",
  ci: true,
  run: async ({ random, size, database: open }) => {
    const jobs = Math.max(100, size(1_000));
    const poisonAt = random.integer(20, 60);
    await using database = await open();
    await database.enqueue(
      jobs,
      (n) =>
        n === poisonAt
          ? { deed: "abort-process", ms: 100 }
          : { deed: "transaction", ms: random.integer(0, 400) },
      { maxAttempts: MAX_ATTEMPTS },
    );
    await using fleet = startFleet(database, {
      size: WORKERS,
      worker: { leaseDurationMs: 1_500, concurrency: 10, pollIntervalMs: 200 },
      mayDie: true,
    });
    await database.allDone(180_000);
    await fleet.stop();
    const audit = await database.audit();
    const { rows } = await database.pool.query<Record<string, number>>(POISON_SQL);
    const poisonRuns = rows[0]?.["poisonRuns"] ?? 0;
    return {
      figures: {
        ...audit,
        ...rows[0],
        aborted: fleet.all.filter(({ child }) => child.signalCode === "SIGABRT").length,
        replaced: fleet.all.length - WORKERS,
        ...fleet.figures(),
      },
      rules: {
        ...SOUND,
        failed: is(1),
        poisonFailed: is(1),
        innocentFailed: is(0),
        // Its attempts, and before them two crashes in company.
        poisonRuns: atMost(MAX_ATTEMPTS + 2),
        aborted: is(poisonRuns),
        replaced: is(poisonRuns),
        innocentCharges: atMost(poisonRuns),
        extraRuns: atLeast(1),
      },
    };
  },
};
