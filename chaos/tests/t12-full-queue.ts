import { execFileSync } from "node:child_process";
import { join } from "node:path";
import pg from "pg";
import type { Client } from "../../src/index.ts";
import { callAtOnce } from "../harness/calls.ts";
import { inClient, openDatabase } from "../harness/database.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import { startDelays } from "../harness/start-delays.ts";
import type { ChaosTest, Place } from "../harness/test.ts";
import { nowMs, sleep, until } from "../harness/wait.ts";
import type { jobs } from "../harness/work.ts";

/** The smallest that Postgres takes: half a megabyte. */
const SETTINGS = { max_notify_queue_pages: "64" };

/** The first version of Postgres that knows the setting; before, the queue had 8 GB. */
const SINCE = 17;

const POLL_MS = 1_000;

/** Between two rounds of calls. */
const CALLS_EVERY_MS = 200;

/** How long a job runs that nobody cancels. */
const RUNNING_MS = 10_000;

/** The longest from one round of maintenance to the next, and the time that it may take. */
const TICK_MS = 36_000 + 1_000;

/** For how long the queue stays full. */
const FULL_MS = 15_000;

/**
 * A session that listens inside a transaction and does not end it holds up the queue of notifications
 * of the whole server. When that is full, every commit that notifies fails; and it stays full after
 * the session has gone, until somebody asks for its usage.
 *
 * Jobs come meanwhile in every way there is: alone, with a key, after others, under `tx`, in SQL, by a
 * retry; and jobs are cancelled, before they run and while they do. All of that must flow, for what
 * notifies leaves that out.
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
        failedCalls: is(0),
        cancelled: atLeast(1),
        slowestCancelMs: atMost(POLL_MS + 500),
        failedLater: is(0),
        extraRuns: is(0),
        // A job that comes after another waits for two polls at most.
        slowestStartMs: atMost(2 * POLL_MS + 500),
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
    const arrived = await arrivals(database, fullMs);
    await database.allDone();
    return { ...arrived, ...(await startDelays(database)) };
  });
  const healedAt = nowMs();
  const { failedCalls: failedLater = -1 } = await arrivals(database, 2_000);
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

/** Calls all there is, again and again, and cancels jobs that run; tells how many calls failed. */
async function arrivals(database: ChaosDatabase, ms: number): Promise<Figures> {
  const endsAt = performance.now() + ms;
  let [calls, failedCalls, cancelled, slowestCancelMs] = [0, 0, 0, 0];
  const noteFailure = (error: unknown): void => {
    failedCalls += 1;
    process.stderr.write(`T12: ${String(error)}\n`);
  };
  await inClient(database.connectionString, async (client) => {
    const call = async (): Promise<void> => {
      for (let round = 0; performance.now() < endsAt; round += 1) {
        const begun = callAtOnce(database, { client, deed: "transaction", key: `${endsAt} ${round}` });
        calls += begun.length;
        for (const end of await Promise.allSettled(begun))
          if (end.status === "rejected") noteFailure(end.reason);
        await sleep(CALLS_EVERY_MS);
      }
    };
    const cancel = async (): Promise<void> => {
      while (performance.now() < endsAt) {
        const ended = await cancelRunning(database, client).catch(noteFailure);
        if (ended === undefined) continue;
        cancelled += 1;
        slowestCancelMs = Math.max(slowestCancelMs, ended);
      }
    };
    await Promise.all([call(), cancel()]);
  });
  return { calls, failedCalls, cancelled, slowestCancelMs };
}

/** Cancels a job that runs, and answers with how long it took until that was its end. */
async function cancelRunning({ pool }: ChaosDatabase, client: Client<typeof jobs>): Promise<number> {
  const id = await client.enqueue("work", { deed: "progress", ms: RUNNING_MS });
  const isIn = async (state: string): Promise<true | undefined> => {
    const { rowCount } = await pool.query("select from millrace.jobs where id = $1 and state = $2", [
      id,
      state,
    ]);
    return rowCount === 1 ? true : undefined;
  };
  await until("it runs", async () => isIn("claimed"));
  const from = performance.now();
  await client.cancel(id);
  await until("it is cancelled", async () => isIn("failed"), { timeoutMs: RUNNING_MS });
  const ms = performance.now() - from;
  await client.deleteFailed(id);
  return ms;
}

function tooOld({ binDir }: Place): string | undefined {
  if (binDir === undefined) return undefined;
  const told = execFileSync(join(binDir, "postgres"), ["--version"], { encoding: "utf8" });
  const version = Number(/(\d+)/u.exec(told)?.[1]);
  return version >= SINCE ? undefined : `Postgres ${version} has no setting max_notify_queue_pages`;
}
