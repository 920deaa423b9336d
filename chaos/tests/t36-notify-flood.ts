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
 * Jobs that come meanwhile must start all the same.
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
    const notified = await flood(database, seconds);
    const { rows } = await database.pool.query<{ most: number; total: number }>(CALLS_SQL);
    const claims: Figures = {
      claimsASecond: (rows[0]?.most ?? Infinity) / seconds,
      claims: rows[0]?.total ?? Infinity,
    };
    for (let n = 0; n < 20; n += 1) {
      await database.enqueue(1, () => ({ deed: "transaction" }));
      await sleep(50);
    }
    await database.allDone();
    await fleet.stop();
    return {
      figures: {
        seconds,
        notified,
        ...claims,
        ...(await startDelays(database)),
        ...(await database.audit()),
        ...fleet.figures(),
      },
      rules: {
        ...SOUND,
        notified: atLeast(seconds * PER_SECOND * 0.9),
        claims: atLeast(1),
        claimsASecond: atMost(20),
        slowestStartMs: atMost(1_000),
      },
    };
  },
};

/** One statement, and so one commit, every 10 ms; different texts, for Postgres folds equal ones. */
async function flood({ pool }: ChaosDatabase, seconds: number): Promise<number> {
  const endsAt = performance.now() + seconds * 1_000;
  const beganAt = performance.now();
  let notified = 0;
  while (performance.now() < endsAt) {
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
