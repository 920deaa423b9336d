import { inClient } from "../harness/database.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, atMost } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import { startDelays } from "../harness/start-delays.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep } from "../harness/wait.ts";

const JOBS_PER_SECOND = 20;

/** Each of 2 listeners could be ended ten times a second; half of that shows that they were. */
const LEAST_A_SECOND = 5;

const TERMINATE_SQL = `
select count(pg_terminate_backend(a.pid))::int as count from pg_stat_activity a
 where a.datname = current_database() and a.application_name like 'millrace listen%'`;

/**
 * Notifications are lost whenever nobody listens. What is enqueued then must not wait for the poll.
 *
 * The control does not listen at all, which is what a listener comes to that misses some and does
 * not look when it is back.
 */
export const t07: ChaosTest = {
  id: "T07",
  title: "the listeners ended every 100 ms while jobs arrive and polls are 30 s apart",
  ci: true,
  run: async ({ size, database: open }) => {
    const seconds = size(60, 8);
    await using database = await open();
    const { terminated, ...figures } = await arrivals(database, seconds, {
      listen: true,
      pollIntervalMs: 30_000,
    });
    await using other = await open();
    const control = await arrivals(other, 3, { listen: false, pollIntervalMs: 5_000 });
    return {
      figures: { seconds, terminated, ...figures },
      rules: { ...SOUND, terminated: atLeast(LEAST_A_SECOND * seconds), slowestStartMs: atMost(1_500) },
      control: { slowestStartMs: control["slowestStartMs"] ?? 0 },
      controlRules: { slowestStartMs: atLeast(1_501) },
    };
  },
};

async function arrivals(
  database: ChaosDatabase,
  seconds: number,
  worker: { readonly listen: boolean; readonly pollIntervalMs: number },
): Promise<Figures & { terminated: number }> {
  await using fleet = startFleet(database, {
    size: 2,
    worker: { leaseDurationMs: 5_000, ...worker },
  });
  await fleet.ready();
  let terminated = 0;
  let over = false;
  const terminating = (async () => {
    while (!over && worker.listen) {
      await sleep(100);
      const { rows } = await database.pool.query<{ count: number }>(TERMINATE_SQL);
      terminated += rows[0]?.count ?? 0;
    }
  })();
  await inClient(database.connectionString, async (client) => {
    for (let n = 0; n < seconds * JOBS_PER_SECOND; n += 1) {
      await sleep(1_000 / JOBS_PER_SECOND);
      database.ledger.enqueued(await client.enqueue("work", { deed: "transaction" }), "transaction");
    }
  });
  over = true;
  await terminating;
  await database.allDone();
  await fleet.stop();
  return { terminated, ...(await startDelays(database)), ...(await database.audit()), ...fleet.figures() };
}
