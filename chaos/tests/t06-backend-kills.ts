import pg from "pg";
import { backendsOf, pick } from "../harness/backends.ts";
import { openDatabase } from "../harness/database.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { feed } from "../harness/feed.ts";
import { startFleet } from "../harness/fleet.ts";
import { accepting, outageFigures } from "../harness/outages.ts";
import type { Outage } from "../harness/outages.ts";
import type { Random } from "../harness/random.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep, until } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";
import { COMES_BACK } from "./t03-restarts.ts";

/** One backend dies as of a bug or of the system's want of memory; Postgres then ends all of them and recovers. */
export const t06: ChaosTest = {
  id: "T06",
  title: "a backend killed with SIGKILL, so that Postgres recovers from a crash",
  ci: false,
  needsOwnServer: true,
  run: async ({ random, size, server: startServer }) => {
    await using server = await startServer();
    await using database = await openDatabase(server.connectionString);
    const works = random.fork();
    await using load = feed(database, { workOf: () => mixedWork(works, 300), level: 300 });
    await using fleet = startFleet(database, {
      size: 4,
      worker: { leaseDurationMs: 10_000, concurrency: 10, backoff: { initialMs: 100, maxMs: 1_000 } },
    });
    await fleet.ready();
    const outages: Outage[] = [];
    for (let kills = size(20, 5); kills > 0; kills -= 1) {
      await sleep(random.between(2_500, 3_500));
      outages.push(await killBackend(database, random));
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

async function killBackend(database: ChaosDatabase, random: Random): Promise<Outage> {
  const { connectionString } = database;
  const witness = new pg.Client({ connectionString });
  let ended = false;
  witness.on("error", () => (ended = true));
  witness.on("end", () => (ended = true));
  await witness.connect();
  const [victim] = pick(await backendsOf(database), random, 1);
  if (victim === undefined) throw new Error("Expected the workers to have connections");
  const beganAt = nowMs();
  process.kill(victim.pid, "SIGKILL");
  await until("Postgres has noticed", () => (ended ? true : undefined), { everyMs: 2 });
  await accepting(connectionString);
  return { beganAt, endedAt: nowMs() };
}
