import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, atMost } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import { startDelays } from "../harness/start-delays.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep } from "../harness/wait.ts";

const PER_SECOND = 1_000;
const WORKERS = 2;

/** How many jobs come while the flood goes on. */
const JOBS = 20;
const PAUSE_MS = 50;

/**
 * Counts the claims of each worker, those that find nothing too: a trigger of the statement fires also
 * for no rows, and only claims delete from `pending` here.
 */
const COUNT_SQL = `
create table chaos.claim_calls (application text);
create function chaos.note_call() returns trigger language plpgsql as $$
begin
  insert into chaos.claim_calls values (current_setting('application_name'));
  return null;
end $$;
create trigger note_call after delete on millrace.pending for each statement execute function chaos.note_call()`;

const CALLS_SQL = `
select coalesce(max(n), 0)::int as most, coalesce(sum(n), 0)::int as total
  from (select count(*) as n from chaos.claim_calls group by application) c`;

/**
 * Notifications without work: of other kinds' jobs, of jobs that others took, or of a mischievous
 * role, for anybody who may connect may notify. A claim for each would keep the database busy.
 *
 * Jobs that come meanwhile must start all the same. They come after the claims were counted, for a job
 * brings claims of its own.
 */
export const t36: ChaosTest = {
  id: "T36",
  title: "1,000 notifications a second about an empty queue",
  ci: true,
  run: async ({ size, database: open }) => {
    const seconds = size(10);
    await using database = await open();
    await database.pool.query(COUNT_SQL);
    await using fleet = startFleet(database, {
      size: WORKERS,
      worker: { leaseDurationMs: 10_000, pollIntervalMs: 30_000 },
    });
    await fleet.ready();
    await sleep(500);
    await database.pool.query("truncate chaos.claim_calls");
    const endsAt = performance.now() + seconds * 1_000;
    const notified = await flood(database, () => performance.now() < endsAt);
    const { rows } = await database.pool.query<{ most: number; total: number }>(CALLS_SQL);
    const claims: Figures = {
      claimsASecond: (rows[0]?.most ?? Infinity) / seconds,
      claims: rows[0]?.total ?? Infinity,
    };
    const notifiedMeanwhile = await jobsInFlood(database);
    await database.allDone();
    await fleet.stop();
    return {
      figures: {
        seconds,
        notified,
        notifiedMeanwhile,
        ...claims,
        ...(await startDelays(database)),
        ...(await database.audit()),
        ...fleet.figures(),
      },
      rules: {
        ...SOUND,
        notified: atLeast(seconds * PER_SECOND * 0.9),
        notifiedMeanwhile: atLeast(((JOBS * PAUSE_MS) / 1_000) * PER_SECOND * 0.9),
        claims: atLeast(1),
        claimsASecond: atMost(20),
        slowestStartMs: atMost(1_000),
      },
    };
  },
};

/** Enqueues jobs one by one while the flood goes on, and answers with how many notifications it brought. */
async function jobsInFlood(database: ChaosDatabase): Promise<number> {
  let coming = true;
  const flooding = flood(database, () => coming);
  try {
    for (let n = 0; n < JOBS; n += 1) {
      await sleep(PAUSE_MS);
      await database.enqueue(1, () => ({ deed: "transaction" }));
    }
  } finally {
    coming = false;
  }
  return flooding;
}

/** One statement, and so one commit, every few milliseconds; different texts, for Postgres folds equal ones. */
async function flood({ pool }: ChaosDatabase, goesOn: () => boolean): Promise<number> {
  const beganAt = performance.now();
  let notified = 0;
  while (goesOn()) {
    const due = Math.floor(((performance.now() - beganAt) / 1_000) * PER_SECOND) - notified;
    await pool.query(
      `select pg_notify('millrace:millrace', json_build_object('queue', 'default', 'n', n)::text)
         from generate_series($1::int + 1, $1 + $2::int) n`,
      [notified, due],
    );
    notified += due;
    await sleep(1);
  }
  return notified;
}
