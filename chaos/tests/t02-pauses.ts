import type { ChaosDatabase } from "../harness/database.ts";
import { MISTOLD_SQL, STALE_WRITES_SQL } from "../harness/ledger-sql.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import type { Random } from "../harness/random.ts";
import { SOUND } from "../harness/sound.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { FigureRule, Figures } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep } from "../harness/wait.ts";
import type { Deed } from "../harness/work.ts";

const LEASE_MS = 1_000;
const WORKERS = 6;

/** Jobs of a pause: enough for work to last as long as the pauses do. */
const JOBS_OF_A_PAUSE = 25;

/** What jobs do, and for how long at most, in milliseconds. */
interface Load {
  readonly deeds: readonly Deed[];
  readonly longestMs: number;
}

const FENCED: Load = { deeds: ["transaction", "return", "progress"], longestMs: 1_500 };

/** For longer, so that the second run is often not over when the first one comes back. */
const UNFENCED: Load = { deeds: ["unfenced", "unfenced-return"], longestMs: 3_000 };

/** What the control must show. */
const SEEN: Readonly<Record<string, FigureRule>> = {
  staleAccepted: atLeast(1),
  secondOutcomes: atLeast(1),
  doubleEffects: atLeast(1),
  staleProgress: atLeast(1),
  staleHeartbeats: atLeast(1),
};

/** A heartbeat of a worker whose lease ran out a second ago, by its label alone. */
const REVIVE_SQL = `
insert into millrace.workers (label, queues, registered_at, lease_expires_at)
  values ('revived', '{}', clock_timestamp() - interval '2 s', clock_timestamp() - interval '1 s');
update millrace.workers set lease_expires_at = clock_timestamp() + interval '1 s' where label = 'revived'`;

/**
 * Processes sleep through their leases, as in a suspended laptop, a migrating machine or a long
 * collection of garbage, and go on as if nothing had been.
 *
 * The control settles and keeps progress by the job's id alone, as several trusted queues do, inside a
 * transaction and outside of one; and a lease that ran out is renewed.
 */
export const t02: ChaosTest = {
  id: "T02",
  title: "workers stopped with SIGSTOP for longer than their lease, then continued",
  ci: true,
  run: async ({ random, size, database: open }) => {
    const pauses = size(60, 12);
    await using database = await open();
    const figures = await withPauses(database, random, pauses, FENCED);
    await using unfenced = await open();
    await unfenced.pool.query(REVIVE_SQL);
    const control = await withPauses(unfenced, random, Math.ceil(pauses / 4), UNFENCED);
    return {
      figures: { pauses, ...figures },
      rules: {
        ...SOUND,
        staleProgress: is(0),
        staleHeartbeats: is(0),
        refused: atLeast(1),
        mistoldEnds: is(0),
      },
      control: Object.fromEntries(Object.keys(SEEN).map((name) => [name, control[name] ?? 0])),
      controlRules: SEEN,
    };
  },
};

async function withPauses(
  database: ChaosDatabase,
  random: Random,
  pauses: number,
  { deeds, longestMs }: Load,
): Promise<Figures> {
  const schedule = Array.from({ length: pauses }, (_, n) => ({
    place: n % WORKERS,
    afterMs: random.between(300, 700),
    pausedMs: random.between(1_800, 3_300),
  }));
  await database.enqueue(pauses * JOBS_OF_A_PAUSE, (n) => ({
    deed: deeds[n % deeds.length] ?? "return",
    ms: random.integer(300, longestMs),
  }));
  await using fleet = startFleet(database, {
    size: WORKERS,
    worker: { leaseDurationMs: LEASE_MS, concurrency: 10, progressIntervalMs: 50, pollIntervalMs: 200 },
  });
  await fleet.ready();
  const pausing: Promise<void>[] = [];
  for (const { place, afterMs, pausedMs } of schedule) {
    await sleep(afterMs);
    pausing.push(pause(fleet, place, pausedMs));
  }
  await Promise.all(pausing);
  await database.allDone();
  await fleet.stop();
  const audit = await database.audit();
  const { rows: ends } = await database.pool.query<Record<string, number>>(MISTOLD_SQL);
  const { rows: stale } = await database.pool.query<Record<string, number>>(STALE_WRITES_SQL);
  return { ...audit, ...ends[0], ...stale[0], ...fleet.figures() };
}

async function pause(fleet: Fleet, place: number, pausedMs: number): Promise<void> {
  const member = fleet.members()[place];
  member?.signal("SIGSTOP");
  await sleep(pausedMs);
  member?.signal("SIGCONT");
}
