import { startTcpProxy, targetOf } from "../../test/support/tcp-proxy.ts";
import { openCaller } from "../harness/caller.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { feed } from "../harness/feed.ts";
import type { Feed } from "../harness/feed.ts";
import { atLeast, atMost, within, worstOf } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep, until } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";

const LEASE_MS = 5_000;

/** What the library gives a statement; one on the connection for heartbeats, a third of the lease. */
const QUERY_TIMEOUT_MS = 30_000;
const BEAT_TIMEOUT_MS = LEASE_MS / 3;

/** How long it waits for a connection of its own pools, and a call for one of the app's pool and an answer. */
const CONNECT_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 30_000;

/** Twice as many as there are connections in the app's pool, which half of them wait for. */
const CALLS = 6;

/** How long calls are waited for that do not end. */
const PATIENCE_MS = 90_000;

/** How late a timer may be on a busy machine. */
const TIMER_SLACK_MS = 1_500;

type Ending = "resume" | "cut";

/**
 * The network between some workers and Postgres holds everything back, then lets it go, or cuts it.
 * What was held back arrives late, when others have taken the jobs over.
 *
 * In CI the stall is shorter than the timeout of most statements and of calls, for the sake of time, and
 * longer than that of heartbeats, which follows from the lease, and that of getting a connection: there
 * `slowestBeatMs` and `slowestConnectMs` alone can break their rules, and in the full length `slowestQueryMs`
 * and `firstCallMs` as well. The timeouts of statements are one setting of the same pool.
 *
 * Seen failing: with a timeout of 20 s for heartbeats, they waited for the end of the stall; and so did calls
 * through the pool of an app while only their own statement had a limit, and not what comes before it.
 */
export const t09: ChaosTest = {
  id: "T09",
  title: "all connections of 2 workers of 3 and of an app's pool stalled, then resumed, and again, then cut",
  ci: true,
  run: async ({ random, size, database: open }) => {
    const stallMs = size(35_000, 12_000);
    const run = async (ending: Ending): Promise<Figures> => {
      const works = random.fork();
      await using database = await open();
      await using load = feed(database, { workOf: () => mixedWork(works, 400), level: 60 });
      return await stalled(database, load, stallMs, ending);
    };
    // Both at once: they mostly wait.
    const [resumed, cut] = await Promise.all([run("resume"), run("cut")]);
    return {
      figures: { stallMs, ...worstOf(resumed, cut) },
      rules: {
        ...SOUND,
        // At least something, or nobody measured.
        slowestQueryMs: within(1, QUERY_TIMEOUT_MS + TIMER_SLACK_MS),
        slowestBeatMs: within(1, BEAT_TIMEOUT_MS + TIMER_SLACK_MS),
        slowestConnectMs: within(1, CONNECT_TIMEOUT_MS + TIMER_SLACK_MS),
        firstCallMs: within(1, CALL_TIMEOUT_MS + TIMER_SLACK_MS),
        // Those that were gathered behind the first have a limit of their own from then on.
        slowestCallMs: within(1, 2 * CALL_TIMEOUT_MS + TIMER_SLACK_MS),
        // The library waits as long as that for a connection, and again for the next.
        slowestReturnMs: atMost(20_000),
        // Others took jobs over meanwhile.
        extraRuns: atLeast(1),
      },
    };
  },
};

async function stalled(
  database: ChaosDatabase,
  load: Feed,
  stallMs: number,
  ending: Ending,
): Promise<Figures> {
  await using proxy = await startTcpProxy(targetOf(database.connectionString));
  const url = new URL(database.connectionString);
  url.port = String(proxy.port);
  const worker = { leaseDurationMs: LEASE_MS, concurrency: 10 };
  await using victims = startFleet(database, { size: 2, worker, connectionString: url.href });
  await using others = startFleet(database, { size: 1, worker, name: "other" });
  await Promise.all([victims.ready(), others.ready()]);
  await using caller = await openCaller(database, url.href);
  await sleep(2_000);
  proxy.stall();
  const calling = caller.enqueueAtOnce(CALLS, PATIENCE_MS);
  await sleep(stallMs);
  const endedAt = nowMs();
  if (ending === "cut") proxy.cut();
  await proxy.pass();
  const slowestReturnMs = await returned(database, victims, endedAt);
  const callTimes = await calling;
  await load.stop();
  await database.allDone();
  await Promise.all([victims.stop(), others.stop()]);
  const audit = await database.audit();
  return {
    slowestReturnMs,
    ...callTimes,
    slowestConnectMs: victims.slowestConnectMs(),
    slowestQueryMs: victims.slowestQueryMs(),
    slowestBeatMs: victims.slowestBeatMs(),
    ...audit,
    ...worstOf(victims.figures(), others.figures()),
  };
}

/** How long until each of the workers claimed again. */
async function returned({ pool, ledger }: ChaosDatabase, fleet: Fleet, since: number): Promise<number> {
  const claimedAt = async (label: string): Promise<number | undefined> => {
    await ledger.read();
    const { rows } = await pool.query<{ at: number }>(
      "select date_part('epoch', min(c.at)) * 1000 as at from chaos.claims c where c.worker = $1 and c.at > to_timestamp($2::float8 / 1000)",
      [label, since],
    );
    return rows[0]?.at ?? undefined;
  };
  let slowest = 0;
  for (const { label } of fleet.members()) {
    const at = await until(`${label} claims again`, () => claimedAt(label), { everyMs: 250 });
    slowest = Math.max(slowest, at - since);
  }
  return slowest;
}
