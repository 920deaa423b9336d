import { abovePoolSize, backendsOf } from "../harness/backends.ts";
import { openDatabase } from "../harness/database.ts";
import { trickle } from "../harness/feed.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import { FAULTS, scheduleOf } from "../harness/mixed-faults.ts";
import type { Breakables, PlannedFault } from "../harness/mixed-faults.ts";
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

/** How much the heap may grow in an hour, and how well that must be known (see `Slope`), in kilobytes. */
const MOST_GROWTH_KB = 1_000;
const MOST_ERROR_KB = 300;

/** From one look at the connections to the next. */
const LOOK_EVERY_MS = 1_000;

/** What is younger may stand beside the one that it replaces, which the server is about to end. */
const STANDS_MS = 1_000;

/**
 * Faults of all sorts, under load, and a worker whose process lives through all of them: its heap, after
 * each collection of garbage, and the connections.
 *
 * The slope itself must be at most 1 MB an hour, and known to 0.3 MB, so that noise makes nothing pass. Only
 * the full length can tell: weighings scatter by some 55 KB, which over its last 800 s would be an error of
 * about 90 KB an hour, or 150 since neighbours are alike. A run that is shortened measures its warm-up and
 * breaks the rule: one of 7.6 minutes found 2,962 KB an hour in its last two thirds, and 388 with an error
 * of 949 in its last 160 s.
 *
 * Seen failing: with a connection more after each fault, more stood in the last quarter than in the first.
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
    const works = random.fork();
    await using load = trickle(database, { workOf: () => mixedWork(works, 100), batch: BATCH });
    await using fleet = startFleet(database, { ...plan, size: 3 });
    await using survivor = startFleet(database, {
      ...plan,
      size: 1,
      name: "survivor",
      order: { heapEveryMs: WEIGH_EVERY_MS },
    });
    await Promise.all([fleet.ready(), survivor.ready()]);
    const beganAt = nowMs();
    const breakables = { server, database, proxy, fleet, leaseMs: LEASE_MS };
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
        backendsLastQuarter: atMost(backends.backendsFirstQuarter),
        heapKbAnHour: atMost(MOST_GROWTH_KB),
        heapErrorKbAnHour: atMost(MOST_ERROR_KB),
      },
    };
  },
};

/** What was seen of the library's connections. */
interface Connections extends Figures {
  readonly abovePoolSize: number;
  /** The most that stood at once after a fault of the first fourth, and after most faults of the last. */
  readonly backendsFirstQuarter: number;
  readonly backendsLastQuarter: number;
}

/** Breaks one thing after the other, and looks at the connections between. */
async function breakAll(
  breakables: Omit<Breakables, "random">,
  schedule: readonly PlannedFault[],
  intervalMs: number,
): Promise<Connections> {
  /** After each fault, the most that stood at once. */
  const most: number[] = [];
  let mostAbove = 0;
  for (const { name, random } of schedule) {
    const nextAt = nowMs() + intervalMs;
    await FAULTS[name]?.({ ...breakables, random });
    let count = 0;
    do {
      await sleep(LOOK_EVERY_MS);
      const found = (await backendsOf(breakables.database)).filter(({ ageMs }) => ageMs > STANDS_MS);
      count = Math.max(count, found.length);
      mostAbove = Math.max(mostAbove, abovePoolSize(found));
    } while (nowMs() < nextAt);
    most.push(count);
  }
  const quarter = Math.ceil(most.length / 4);
  return {
    abovePoolSize: mostAbove,
    backendsFirstQuarter: Math.max(...most.slice(0, quarter)),
    // Pools grow and shrink by need: one that stands a moment longer is no leak, ten are.
    backendsLastQuarter: medianOf(most.slice(-quarter)),
  };
}

function medianOf(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

function heapFigures(survivor: Fleet, from: number): Figures {
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
  };
}

function sumOf(one: Fleet, other: Fleet): Figures {
  const [a, b] = [one.figures(), other.figures()];
  return Object.fromEntries(Object.entries(a).map(([name, value]) => [name, value + (b[name] ?? 0)]));
}
