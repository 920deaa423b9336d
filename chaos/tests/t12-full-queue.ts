import { execFileSync } from "node:child_process";
import { join } from "node:path";
import pg from "pg";
import { inClient, openDatabase } from "../harness/database.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import { startDelays } from "../harness/start-delays.ts";
import type { ChaosTest, Place } from "../harness/test.ts";
import { nowMs, sleep } from "../harness/wait.ts";

/** The smallest that Postgres takes: half a megabyte. */
const SETTINGS = { max_notify_queue_pages: "64" };

/** The first version of Postgres that knows the setting; before, the queue had 8 GB. */
const SINCE = 17;

const POLL_MS = 1_000;

/** The longest from one round of maintenance to the next, and the time that it may take. */
const TICK_MS = 36_000 + 1_000;

/** For how long the queue stays full. */
const FULL_MS = 15_000;

/**
 * A session that listens inside a transaction and does not end it holds up the queue of notifications
 * of the whole server. When that is full, every commit that notifies fails; and it stays full after
 * the session has gone, until somebody asks for its usage.
 *
 * The control is a server without workers, where nobody asks.
 */
export const t12: ChaosTest = {
  id: "T12",
  title: "the server's queue of notifications full",
  ci: false,
  needsOwnServer: true,
  obstacle: tooOld,
  run: async ({ size, server: startServer }) => {
    await using server = await startServer(SETTINGS);
    await using lonely = await startServer(SETTINGS);
    const [figures, control] = await Promise.all([
      worked(server.connectionString, size(FULL_MS)),
      healing(lonely.connectionString, async () => ({})),
    ]);
    return {
      figures,
      rules: {
        ...SOUND,
        refusedAtFirst: is(1),
        refusedAtLast: is(1),
        failedEnqueues: is(0),
        failedLater: is(0),
        extraRuns: is(0),
        slowestStartMs: atMost(POLL_MS + 500),
        healMs: atMost(TICK_MS),
        // By polling it would be half an interval.
        medianStartHealedMs: atMost(POLL_MS / 4),
      },
      control,
      controlRules: { refusedAtLast: is(1), healMs: atLeast(TICK_MS + 1) },
    };
  },
};

async function worked(serverUrl: string, fullMs: number): Promise<Figures> {
  await using database = await openDatabase(serverUrl);
  await using fleet = startFleet(database, {
    size: 3,
    worker: { leaseDurationMs: 5_000, pollIntervalMs: POLL_MS },
  });
  await fleet.ready();
  const healed = await healing(database.connectionString, async () => {
    const failedEnqueues = await arrivals(database, fullMs);
    await database.allDone();
    return { failedEnqueues, ...(await startDelays(database)) };
  });
  const healedAt = nowMs();
  const failedLater = await arrivals(database, 2_000);
  await database.allDone();
  const { medianStartMs: medianStartHealedMs = Infinity } = await startDelays(database, healedAt);
  await fleet.stop();
  const listenLosses = fleet.events().filter(({ event }) => event.type === "listen-lost").length;
  return {
    ...healed,
    failedLater,
    medianStartHealedMs,
    listenLosses,
    ...(await database.audit()),
    ...fleet.figures(),
  };
}

/** Fills the queue, does `meanwhile`, lets the blocker go, and waits until notifications are taken again. */
async function healing(connectionString: string, meanwhile: () => Promise<Figures>): Promise<Figures> {
  const pool = new pg.Pool({ connectionString, max: 1, application_name: "chaos" });
  const blocker = new pg.Client({ connectionString, application_name: "chaos blocker" });
  await blocker.connect();
  try {
    await blocker.query("listen chaos_blocker");
    await blocker.query("begin");
    await blocker.query("select 1");
    let notified = 0;
    while (!(await isRefused(pool, 7_900))) notified += 1;
    const refusedAtFirst = Number(await isRefused(pool));
    const figures = await meanwhile();
    const refusedAtLast = Number(await isRefused(pool));
    await blocker.end();
    const leftAt = performance.now();
    const passed = (): number => performance.now() - leftAt;
    while ((await isRefused(pool)) && passed() < TICK_MS + 1_000) await sleep(50);
    return { notified, refusedAtFirst, refusedAtLast, ...figures, healMs: passed() };
  } finally {
    await blocker.end();
    await pool.end();
  }
}

/** Whether a notification of so many bytes is refused because there is no room for it. */
async function isRefused(pool: pg.Pool, bytes = 1): Promise<boolean> {
  try {
    await pool.query("select pg_notify('chaos', repeat('x', $1))", [bytes]);
    return false;
  } catch (error) {
    if (error instanceof Error && error.message.includes("NOTIFY queue")) return true;
    throw error;
  }
}

/** Enqueues one by one, and answers with how many calls failed. */
async function arrivals({ connectionString, ledger }: ChaosDatabase, ms: number): Promise<number> {
  let failed = 0;
  const endsAt = performance.now() + ms;
  await inClient(connectionString, async (client) => {
    while (performance.now() < endsAt) {
      await sleep(50);
      await client.enqueue("work", { deed: "transaction" }).then(
        (id) => ledger.enqueued(id, "transaction"),
        () => (failed += 1),
      );
    }
  });
  return failed;
}

function tooOld({ binDir }: Place): string | undefined {
  if (binDir === undefined) return undefined;
  const told = execFileSync(join(binDir, "postgres"), ["--version"], { encoding: "utf8" });
  const version = Number(/(\d+)/u.exec(told)?.[1]);
  return version >= SINCE ? undefined : `Postgres ${version} has no setting max_notify_queue_pages`;
}
