import { openDatabase } from "../harness/database.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { trickle } from "../harness/feed.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import { FAULTS, scheduleOf } from "../harness/mixed-faults.ts";
import type { Breakables } from "../harness/mixed-faults.ts";
import { startPgProxy } from "../harness/pg-proxy.ts";
import { slopeOf } from "../harness/slope.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";

const LEASE_MS = 5_000;

/** 20 minutes with a fault every 30 s. A shorter run has as many, closer together. */
const LENGTH_MS = 1_200_000;
const FAULTS_OF_A_RUN = 40;

/** A fault lasts up to one and a half leases, and who lost his connections must come back. */
const LEAST_INTERVAL_MS = 4_000;

/** The part of the time in which code is compiled and pools are filled. */
const WARM_UP = 1 / 3;

const WEIGH_EVERY_MS = 2_000;

/** Jobs every 100 ms. */
const BATCH = 15;

/** The most connections of each sort that a worker opens, by the first words of their names. */
const POOL_SIZES: readonly (readonly [string, number])[] = [
  ["millrace work", 3],
  ["millrace lease", 1],
  ["millrace listen", 1],
];

const BACKENDS_SQL = `
select application_name as name, count(*)::int as count from pg_stat_activity
 where datname = current_database() and application_name like 'millrace %' and application_name <> 'millrace calls'
 group by 1`;

/**
 * Faults of all sorts, under load, and a worker whose process lives through all of them: its heap, after
 * each collection of garbage, and the connections.
 *
 * A slope is known no better than the noise lets it: see `heapErrorKbAnHour`. The rule is that the heap is
 * not shown to grow by 1 MB an hour; in a run that is shortened much, that says little.
 */
export const t33: ChaosTest = {
  id: "T33",
  title: "a soak: 40 faults of 7 sorts in 20 minutes, and the heap of a worker that lives through them",
  ci: false,
  needsOwnServer: true,
  run: async ({ random, size, server: startServer }) => {
    const lengthMs = Math.max(size(LENGTH_MS), 15 * LEAST_INTERVAL_MS);
    const faults = Math.min(FAULTS_OF_A_RUN, Math.floor(lengthMs / LEAST_INTERVAL_MS));
    const schedule = scheduleOf(random, faults);
    await using server = await startServer();
    await using database = await openDatabase(server.connectionString);
    await using proxy = await startPgProxy(database.connectionString);
    const plan = {
      connectionString: proxy.connectionString,
      worker: { leaseDurationMs: LEASE_MS, concurrency: 10, backoff: { initialMs: 100, maxMs: 1_000 } },
    };
    await using load = trickle(database, { workOf: () => mixedWork(random, 100), batch: BATCH });
    await using fleet = startFleet(database, { ...plan, size: 3 });
    await using survivor = startFleet(database, {
      ...plan,
      size: 1,
      name: "survivor",
      order: { heapEveryMs: WEIGH_EVERY_MS },
    });
    await Promise.all([fleet.ready(), survivor.ready()]);
    const beganAt = nowMs();
    const breakables = { random, server, database, proxy, fleet, leaseMs: LEASE_MS };
    const backends = await breakAll(breakables, schedule, lengthMs / faults);
    await load.stop();
    await database.allDone();
    await Promise.all([fleet.stop(), survivor.stop()]);
    const audit = await database.audit();
    return {
      figures: {
        minutes: lengthMs / 60_000,
        faults,
        ...heapFigures(survivor, beganAt + lengthMs * WARM_UP),
        ...backends,
        ...audit,
        ...sumOf(fleet, survivor),
      },
      rules: {
        ...SOUND,
        // A process that is killed leaves jobs that run again.
        extraRuns: atLeast(1),
        abovePoolSize: is(0),
        leastHeapKbAnHour: atMost(1_000),
        weighings: atLeast(10),
      },
    };
  },
};

/** Breaks one thing after the other, and looks at the connections before each. */
async function breakAll(
  breakables: Breakables,
  schedule: readonly string[],
  intervalMs: number,
): Promise<Readonly<Record<string, number>>> {
  const counts: number[] = [];
  let abovePoolSize = 0;
  for (const name of schedule) {
    const nextAt = nowMs() + intervalMs;
    const found = await backendsOf(breakables.database);
    counts.push(found.reduce((sum, { count }) => sum + count, 0));
    abovePoolSize = Math.max(abovePoolSize, ...found.map(({ name, count }) => count - sizeOf(name)));
    await FAULTS[name]?.(breakables);
    await sleep(Math.max(0, nextAt - nowMs()));
  }
  const quarter = Math.ceil(counts.length / 4);
  return {
    abovePoolSize,
    backendsFirstQuarter: Math.max(...counts.slice(0, quarter)),
    backendsLastQuarter: Math.max(...counts.slice(-quarter)),
  };
}

async function backendsOf({
  pool,
}: ChaosDatabase): Promise<readonly { readonly name: string; readonly count: number }[]> {
  // A connection of the board's own may be one that a restart cut.
  const ask = () => pool.query<{ name: string; count: number }>(BACKENDS_SQL);
  const { rows } = await ask().catch(ask);
  return rows;
}

function sizeOf(name: string): number {
  return POOL_SIZES.find(([words]) => name.startsWith(words))?.[1] ?? 0;
}

function heapFigures(survivor: Fleet, from: number): Readonly<Record<string, number>> {
  const samples = survivor.all
    .flatMap(({ said }) => said)
    .flatMap((one) =>
      one.said === "heap" && one.at >= from ? [{ at: one.at, value: one.bytes / 1_000 }] : [],
    );
  const { perHour, error } = slopeOf(samples);
  return {
    weighings: samples.length,
    heapKb: samples.at(-1)?.value ?? 0,
    heapKbAnHour: perHour,
    heapErrorKbAnHour: error,
    leastHeapKbAnHour: perHour - error,
  };
}

function sumOf(one: Fleet, other: Fleet): Readonly<Record<string, number>> {
  const [a, b] = [one.figures(), other.figures()];
  return Object.fromEntries(Object.entries(a).map(([name, value]) => [name, value + (b[name] ?? 0)]));
}
