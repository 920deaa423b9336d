import { openDatabase } from "../harness/database.ts";
import { atMost } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { outageFigures } from "../harness/outages.ts";
import { SOUND } from "../harness/sound.ts";
import { startDelays } from "../harness/start-delays.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep } from "../harness/wait.ts";

/** Longer than the test, so that only notifications wake. */
const POLL_MS = 3_600_000;

/**
 * The server is away for longer than any patience: `pg-listen` by itself gives up after 3 s.
 *
 * Seen failing: the listener came back up to 10 s after the server while its backoff went that far.
 */
export const t04: ChaosTest = {
  id: "T04",
  title: "Postgres away for 60 s, then a notification must wake the workers",
  ci: false,
  needsOwnServer: true,
  run: async ({ size, server: startServer }) => {
    await using server = await startServer();
    await using database = await openDatabase(server.connectionString);
    await using fleet = startFleet(database, {
      size: 4,
      worker: { leaseDurationMs: 10_000, pollIntervalMs: POLL_MS },
    });
    await fleet.ready();
    await database.enqueue(40, () => ({ deed: "transaction" }));
    await database.allDone();
    const beganAt = nowMs();
    await server.stopImmediately();
    await sleep(size(60_000));
    await server.start();
    const endedAt = nowMs();
    await sleep(5_000);
    for (let n = 0; n < 20; n += 1) await database.enqueue(1, () => ({ deed: "transaction" }));
    await database.allDone();
    await fleet.stop();
    const audit = await database.audit();
    const { slowestListenMs = Infinity } = await outageFigures(database, fleet, [{ beganAt, endedAt }]);
    return {
      figures: {
        awayMs: endedAt - beganAt,
        slowestListenMs,
        ...(await startDelays(database)),
        ...audit,
        ...fleet.figures(),
      },
      rules: { ...SOUND, slowestListenMs: atMost(5_000), slowestStartMs: atMost(1_500) },
    };
  },
};
