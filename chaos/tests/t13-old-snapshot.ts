import pg from "pg";
import type { ChaosDatabase } from "../harness/database.ts";
import { feed } from "../harness/feed.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import { startMeter } from "../harness/meter.ts";
import type { Meter } from "../harness/meter.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep } from "../harness/wait.ts";

const WORKERS = 2;

const CONCURRENCY = 5;

/** How long one job in five takes. The others take no time, so that it is claims that bound the throughput. */
const WORK_MS = 20;
const WORK_PART = 0.2;

/** How many jobs wait at most. */
const LEVEL = 1_000;

const WARM_UP_MS = 5_000;

/** Over how long the throughput is measured before: from one round of autovacuum to the next. */
const BASE_MS = 60_000;

const HOLD_MS = 600_000;

/** The end of the hold, when most rows are dead. */
const WORST_MS = 30_000;

/** A minute, and from then on one round of maintenance of each worker. */
const TOLD_MS = 60_000 + 36_000 + 1_000;

/** From one round of maintenance to the next. */
const RESTORED_MS = 36_000 + 1_000;

/** How long throughput may take to come back, and the time over which it is measured then, which is part of that. */
const RECOVERY_MS = 60_000;
const RECOVERY_WINDOW_MS = 10_000;

/**
 * A session holds a snapshot while jobs are worked off as fast as they can be claimed: nothing that is
 * deleted can be removed meanwhile, so that claims have more and more dead rows to step over.
 */
export const t13: ChaosTest = {
  id: "T13",
  title: "an old snapshot held under load",
  ci: false,
  run: async ({ random, size, database: open }) => {
    const holdMs = Math.max(TOLD_MS, size(HOLD_MS));
    await using database = await open();
    await using fleet = startFleet(database, {
      size: WORKERS,
      worker: { leaseDurationMs: 10_000, pollIntervalMs: 1_000, concurrency: CONCURRENCY },
    });
    await fleet.ready();
    await using meter = await startMeter(database.ledger.file);
    const load = feed(database, {
      workOf: () => ({ deed: "return", ms: random.next() < WORK_PART ? WORK_MS : 0 }),
      level: LEVEL,
      done: meter.done,
    });
    await sleep(WARM_UP_MS + BASE_MS);
    const jobsASecond = meter.rate(nowMs() - BASE_MS, nowMs());
    const held = await holding(database, holdMs);
    const heldJobsASecond = meter.rate(held.endedAt - WORST_MS, held.endedAt);
    await sleep(RECOVERY_MS);
    await load.stop();
    await database.allDone();
    await fleet.stop();
    return {
      figures: {
        jobsASecond,
        holdMs: held.endedAt - held.beganAt,
        deadRows: held.deadRows,
        heldJobsASecond,
        heldPercent: (100 * heldJobsASecond) / jobsASecond,
        recoveryMs: recoveryMs(meter, held.endedAt, 0.95 * jobsASecond),
        slowestQueryMs: fleet.slowestQueryMs(),
        ...toldOf(fleet, held),
        ...(await database.audit()),
        ...fleet.figures(),
      },
      rules: {
        ...SOUND,
        heldPercent: atLeast(70),
        recoveryMs: atMost(RECOVERY_MS),
        told: is(WORKERS),
        toldOfOthers: is(0),
        toldMs: atMost(TOLD_MS),
        restoredMs: atMost(RESTORED_MS),
        extraRuns: is(0),
      },
    };
  },
};

interface Held {
  readonly pid: number;
  /** In milliseconds since 1970. */
  readonly beganAt: number;
  readonly endedAt: number;
  /** How many rows of the tables that jobs pass through vacuum could not remove, as far as Postgres knows. */
  readonly deadRows: number;
}

/** Holds a snapshot for so long. */
async function holding({ connectionString, pool }: ChaosDatabase, holdMs: number): Promise<Held> {
  const holder = new pg.Client({ connectionString, application_name: "chaos holder" });
  await holder.connect();
  try {
    await holder.query("begin isolation level repeatable read");
    const { rows } = await holder.query<{ pid: number }>("select pg_backend_pid() as pid");
    const beganAt = nowMs();
    await sleep(holdMs);
    const { rows: dead } = await pool.query<{ count: number }>(
      `select sum(n_dead_tup)::int as count from pg_stat_user_tables
        where schemaname = 'millrace' and relname in ('pending', 'claimed')`,
    );
    return { pid: rows[0]?.pid ?? 0, beganAt, endedAt: nowMs(), deadRows: dead[0]?.count ?? 0 };
  } finally {
    await holder.end();
  }
}

/** How long it took until so many jobs a second had been done again for the time over which that is measured. */
function recoveryMs(meter: Meter, endedAt: number, wanted: number): number {
  for (let ms = RECOVERY_WINDOW_MS; ms <= RECOVERY_MS; ms += 1_000) {
    const to = endedAt + ms;
    if (meter.rate(to - RECOVERY_WINDOW_MS, to) >= wanted) return ms;
  }
  return Infinity;
}

/** What the workers told of the snapshot, and after how long the last of them did. */
function toldOf(fleet: Fleet, { pid, beganAt, endedAt }: Held): Figures {
  const events = fleet.events();
  const all = events.filter(({ event }) => event.type === "degraded");
  const told = all.filter(({ event }) => event.type === "degraded" && event.pid === pid);
  const restored = events.filter(({ at, event }) => event.type === "restored" && at >= endedAt);
  return {
    told: told.length,
    toldOfOthers: all.length - told.length,
    toldMs: slowest(told, beganAt),
    restoredMs: slowest(restored, endedAt),
  };
}

/** How long it took until all workers had told. */
function slowest(events: readonly { readonly at: number }[], from: number): number {
  return events.length < WORKERS ? Infinity : Math.max(...events.map(({ at }) => at - from));
}
