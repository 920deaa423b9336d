import type { ChaosDatabase } from "../harness/database.ts";
import { MISTOLD_SQL } from "../harness/ledger-sql.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import type { Random } from "../harness/random.ts";
import { SOUND } from "../harness/sound.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep } from "../harness/wait.ts";
import type { Deed } from "../harness/work.ts";

const LEASE_MS = 1_000;
const WORKERS = 6;

/** Jobs of a pause: enough for work to last as long as the pauses do. */
const JOBS_OF_A_PAUSE = 25;

const FENCED: readonly Deed[] = ["transaction", "return", "progress"];

/**
 * Processes sleep through their leases, as in a suspended laptop, a migrating machine or a long
 * collection of garbage, and go on as if nothing had been.
 *
 * The control settles by the job's id alone, as several trusted queues do.
 */
export const t02: ChaosTest = {
  id: "T02",
  title: "workers stopped with SIGSTOP for longer than their lease, then continued",
  ci: true,
  run: async ({ random, size, database: open }) => {
    const pauses = size(60, 16);
    const figures = await withPauses(open, random, pauses, FENCED);
    const control = await withPauses(open, random, Math.ceil(pauses / 4), ["unfenced"]);
    return {
      figures: { pauses, ...figures },
      rules: { ...SOUND, refused: atLeast(1), mistoldEnds: is(0) },
      control: {
        staleAccepted: control["staleAccepted"] ?? 0,
        doubleEffects: control["doubleEffects"] ?? 0,
      },
      controlRules: { staleAccepted: atLeast(1), doubleEffects: atLeast(1) },
    };
  },
};

async function withPauses(
  open: () => Promise<ChaosDatabase>,
  random: Random,
  pauses: number,
  deeds: readonly Deed[],
): Promise<Figures> {
  const schedule = Array.from({ length: pauses }, (_, n) => ({
    place: n % WORKERS,
    afterMs: random.between(300, 700),
    pausedMs: random.between(1_800, 3_300),
  }));
  await using database = await open();
  await database.enqueue(pauses * JOBS_OF_A_PAUSE, (n) => ({
    deed: deeds[n % deeds.length] ?? "return",
    ms: random.integer(300, 1_500),
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
  const { rows } = await database.pool.query<Record<string, number>>(MISTOLD_SQL);
  return { ...audit, ...rows[0], ...fleet.figures() };
}

async function pause(fleet: Fleet, place: number, pausedMs: number): Promise<void> {
  const member = fleet.members()[place];
  member?.signal("SIGSTOP");
  await sleep(pausedMs);
  member?.signal("SIGCONT");
}
