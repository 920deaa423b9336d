import { openDatabase } from "../harness/database.ts";
import { feed } from "../harness/feed.ts";
import { atMost } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { outageFigures } from "../harness/outages.ts";
import type { Outage } from "../harness/outages.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";

/** What must hold after each outage, besides that nothing is lost or doubled. */
export const COMES_BACK = {
  slowestClaimMs: atMost(2_000),
  slowestListenMs: atMost(2_000),
  mostLogLines: atMost(6),
};

/** The server loses all its processes at once, and starts anew from its log, under load. */
export const t03: ChaosTest = {
  id: "T03",
  title: "Postgres stopped with -m immediate and started",
  ci: true,
  needsOwnServer: true,
  run: async ({ random, size, server: startServer }) => {
    const schedule = Array.from({ length: size(20, 5) }, () => ({
      upMs: random.between(2_500, 3_500),
      downMs: random.between(0, 800),
    }));
    await using server = await startServer();
    await using database = await openDatabase(server.connectionString);
    await using load = feed(database, { workOf: () => mixedWork(random, 300), level: 300 });
    await using fleet = startFleet(database, {
      size: 4,
      worker: { leaseDurationMs: 10_000, concurrency: 10, backoff: { initialMs: 100, maxMs: 1_000 } },
    });
    await fleet.ready();
    const outages: Outage[] = [];
    for (const { upMs, downMs } of schedule) {
      await sleep(upMs);
      const beganAt = nowMs();
      await server.stopImmediately();
      await sleep(downMs);
      await server.start();
      outages.push({ beganAt, endedAt: nowMs() });
    }
    await sleep(2_500);
    await load.stop();
    await database.allDone();
    await fleet.stop();
    const audit = await database.audit();
    const figures = await outageFigures(database, fleet, outages);
    return {
      figures: { ...figures, ...audit, ...fleet.figures() },
      rules: { ...SOUND, ...COMES_BACK },
    };
  },
};
