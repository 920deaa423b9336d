import { abovePoolSize, backendsOf, pick, terminate } from "../harness/backends.ts";
import { feed } from "../harness/feed.ts";
import { atLeast, is } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";

/** How many are ended at a time. */
const BACKENDS = 3;

/** From one look at the pools to the next while their connections come back. */
const LOOK_MS = 20;

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
    const rounds = size(200, 40);
    await using database = await open();
    const works = random.fork();
    await using load = feed(database, { workOf: () => mixedWork(works, 200), level: 200 });
    await using fleet = startFleet(database, {
      size: 3,
      worker: { leaseDurationMs: 10_000, concurrency: 10 },
    });
    await fleet.ready();
    // The server shows a connection for some moments after it was told to end it.
    const gone = new Set<number>();
    const alive = async () => (await backendsOf(database)).filter(({ pid }) => !gone.has(pid));
    let mostAbove = 0;
    let terminated = 0;
    let looks = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (const endsAt = nowMs() + random.between(100, 250); nowMs() < endsAt; await sleep(LOOK_MS)) {
        mostAbove = Math.max(mostAbove, abovePoolSize(await alive()));
        looks += 1;
      }
      const victims = pick(await alive(), random, BACKENDS);
      terminated += await terminate(database, victims);
      for (const { pid } of victims) gone.add(pid);
    }
    await load.stop();
    await database.allDone();
    await fleet.stop();
    return {
      figures: {
        rounds,
        terminated,
        looks,
        abovePoolSize: mostAbove,
        ...(await database.audit()),
        ...fleet.figures(),
      },
      rules: {
        ...SOUND,
        terminated: atLeast(2.5 * rounds),
        looks: atLeast(3 * rounds),
        abovePoolSize: is(0),
        extraRuns: is(0),
      },
    };
  },
};
