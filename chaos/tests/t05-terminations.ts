import type { ChaosDatabase } from "../harness/database.ts";
import { feed } from "../harness/feed.ts";
import { atLeast, is } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Random } from "../harness/random.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";

const BACKENDS_SQL = `
select a.pid, a.application_name as name from pg_stat_activity a
 where a.datname = current_database() and a.application_name like 'millrace %'
 order by a.application_name, a.backend_start`;

/** The most connections of each sort that a worker opens, by the first words of their names. */
const POOL_SIZES = { "millrace work": 3, "millrace lease": 1, "millrace listen": 1 };

/**
 * An operator, or a proxy with a hard limit, ends the workers' connections at random.
 *
 * Seen failing: with connections of the app among the victims there are extra runs, for handlers fail.
 */
export const t05: ChaosTest = {
  id: "T05",
  title: "3 random backends ended with pg_terminate_backend, again and again",
  ci: true,
  run: async ({ random, size, database: open }) => {
    const rounds = size(200, 50);
    await using database = await open();
    await using load = feed(database, { workOf: () => mixedWork(random, 200), level: 200 });
    await using fleet = startFleet(database, {
      size: 3,
      worker: { leaseDurationMs: 10_000, concurrency: 10 },
    });
    await fleet.ready();
    let abovePoolSize = 0;
    let terminated = 0;
    for (let round = 0; round < rounds; round += 1) {
      await sleep(random.between(100, 250));
      const ended = await terminate(database, random);
      terminated += ended.terminated;
      abovePoolSize = Math.max(abovePoolSize, ended.abovePoolSize);
    }
    await load.stop();
    await database.allDone();
    await fleet.stop();
    return {
      figures: { rounds, terminated, abovePoolSize, ...(await database.audit()), ...fleet.figures() },
      rules: { ...SOUND, terminated: atLeast(rounds), abovePoolSize: is(0), extraRuns: is(0) },
    };
  },
};

/** Ends three backends, and counts first by how many a pool is too large. */
async function terminate(
  { pool }: ChaosDatabase,
  { integer }: Random,
): Promise<{ readonly terminated: number; readonly abovePoolSize: number }> {
  const { rows } = await pool.query<{ pid: number; name: string }>(BACKENDS_SQL);
  const counts = new Map<string, number>();
  for (const { name } of rows) counts.set(name, (counts.get(name) ?? 0) + 1);
  const abovePoolSize = Math.max(0, ...[...counts].map(([name, count]) => count - sizeOf(name)));
  const victims = Array.from({ length: 3 }, () => integer(0, rows.length - 1));
  const pids = new Set(victims.flatMap((at) => rows[at]?.pid ?? []));
  await pool.query("select pg_terminate_backend(u) from unnest($1::int[]) u", [[...pids]]);
  return { terminated: pids.size, abovePoolSize };
}

function sizeOf(name: string): number {
  return Object.entries(POOL_SIZES).find(([words]) => name.startsWith(words))?.[1] ?? Infinity;
}
