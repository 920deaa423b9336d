import { startTcpProxy, targetOf } from "../../test/support/tcp-proxy.ts";
import type { TcpProxy } from "../../test/support/tcp-proxy.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { MISTOLD_SQL, REFUSALS_SQL, STALE_WRITES_SQL } from "../harness/ledger-sql.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import type { Member } from "../harness/member.ts";
import type { Random } from "../harness/random.ts";
import { SOUND } from "../harness/sound.ts";
import { atLeast, is } from "../harness/figures.ts";
import type { FigureRule, Figures } from "../harness/figures.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep } from "../harness/wait.ts";
import type { Deed } from "../harness/work.ts";

const LEASE_MS = 1_000;
const WORKERS = 6;

/** Jobs of a pause: enough for work to last as long as the pauses do. */
const JOBS_OF_A_PAUSE = 25;

/** What jobs do, and for how long at most, in milliseconds. */
interface Load {
  readonly deeds: readonly Deed[];
  readonly longestMs: number;
  /** Whether a lease that ran out is renewed. */
  readonly revives: boolean;
}

const FENCED: Load = {
  deeds: ["transaction", "return", "progress", "fail-once"],
  longestMs: 1_500,
  revives: false,
};

/** For longer, so that the second run is often not over when the first one comes back. */
const UNFENCED: Load = { deeds: ["unfenced", "unfenced-return"], longestMs: 3_000, revives: true };

/** What the control must show. */
const SEEN: Readonly<Record<string, FigureRule>> = {
  staleAccepted: atLeast(1),
  secondOutcomes: atLeast(1),
  doubleEffects: atLeast(1),
  staleProgress: atLeast(1),
  staleHeartbeats: atLeast(1),
};

/** How long all sleep at once, in milliseconds. */
const ALL_PAUSED_MS = 1_600;

/** How long they may take to wake up and to send a heartbeat, in milliseconds. */
const WAKING_MS = 600;

/** Between the arrival of what a worker had sent and its waking up, in milliseconds. */
const ARRIVING_MS = 50;

/**
 * Processes sleep through their leases, as in a suspended laptop, a migrating machine or a long
 * collection of garbage, and go on as if nothing had been.
 *
 * Before a worker sleeps its network does for a moment: what it sends then reaches Postgres after its lease
 * is over and its jobs are others'. By itself a worker that wakes up knows the time before it sends anything.
 * At the end all sleep at the same time, and nobody removes a worker whose lease ran out before it wakes up, so
 * that their heartbeats meet their own leases.
 *
 * The control settles and keeps progress by the job's id alone, as several trusted queues do, inside a
 * transaction and outside of one; and it renews leases by the worker's id alone.
 *
 * Seen failing: with HEARTBEAT by the id alone, and with the tokens and workers out of COMPLETE and SETTLE,
 * or out of PROGRESS.
 */
export const t02: ChaosTest = {
  id: "T02",
  title: "workers stopped with SIGSTOP for longer than their lease, then continued",
  ci: true,
  run: async ({ random, size, database: open }) => {
    const plan = { pauses: size(60, 9), allPauses: size(10, 2) };
    await using database = await open();
    const figures = await withPauses(database, random, { ...plan, load: FENCED });
    await using unfenced = await open();
    const pauses = Math.ceil(plan.pauses / 4);
    const control = await withPauses(unfenced, random, { ...plan, pauses, load: UNFENCED });
    return {
      figures: { ...plan, ...figures },
      rules: {
        ...SOUND,
        staleProgress: is(0),
        staleHeartbeats: is(0),
        refusedOutcomes: atLeast(1),
        refusedCompletes: atLeast(1),
        refusedProgress: atLeast(1),
        refusedHeartbeats: atLeast(1),
        untoldRefusals: is(0),
        mistoldEnds: is(0),
      },
      control: Object.fromEntries(Object.keys(SEEN).map((name) => [name, control[name] ?? 0])),
      controlRules: SEEN,
    };
  },
};

interface PausePlan {
  readonly pauses: number;
  /** How often all sleep at once. */
  readonly allPauses: number;
  readonly load: Load;
}

async function withPauses(
  database: ChaosDatabase,
  random: Random,
  { pauses, allPauses, load: { deeds, longestMs, revives } }: PausePlan,
): Promise<Figures> {
  const schedule = Array.from({ length: pauses }, (_, n) => ({
    place: n % WORKERS,
    afterMs: random.between(400, 800),
    cutOffMs: random.between(150, 350),
    pausedMs: random.between(1_800, 3_300),
  }));
  await database.enqueue(pauses * JOBS_OF_A_PAUSE, (n) => ({
    deed: deeds[n % deeds.length] ?? "return",
    ms: random.integer(300, longestMs),
  }));
  await using proxies = await startProxies(database);
  await using fleet = startFleet(database, {
    size: WORKERS,
    worker: {
      leaseDurationMs: LEASE_MS,
      concurrency: 10,
      progressIntervalMs: 50,
      pollIntervalMs: 200,
      backoff: { initialMs: 50, maxMs: 50 },
    },
    order: { revives },
    orderOf: (place) => ({ connectionString: proxies.urls[place] ?? "" }),
  });
  await fleet.ready();
  const pausing: Promise<void>[] = [];
  for (const { place, afterMs, ...times } of schedule) {
    await sleep(afterMs);
    pausing.push(pause(fleet.members()[place], proxies.all[place], times));
  }
  await Promise.all(pausing);
  for (let n = 0; n < allPauses; n += 1) {
    // Time to begin a lease anew.
    await sleep(LEASE_MS);
    await pauseAll(database, fleet);
  }
  await database.allDone();
  await fleet.stop();
  const audit = await database.audit();
  const ask = async (sql: string): Promise<Figures> => {
    const { rows } = await database.pool.query<Record<string, number>>(sql);
    return rows[0] ?? {};
  };
  const [{ mistoldEnds = -1 }, refusals, stale] = [
    await ask(MISTOLD_SQL),
    await ask(REFUSALS_SQL),
    await ask(STALE_WRITES_SQL),
  ];
  return { ...audit, mistoldEnds, ...refusals, ...stale, ...fleet.figures() };
}

/** Lets all sleep; and when they wake up, nobody can remove a worker for a moment, as while it claims. */
async function pauseAll({ pool }: ChaosDatabase, fleet: Fleet): Promise<void> {
  for (const member of fleet.members()) member.signal("SIGSTOP");
  await sleep(ALL_PAUSED_MS);
  const tx = await pool.connect();
  await tx.query("begin; select from millrace.workers for key share");
  for (const member of fleet.members()) member.signal("SIGCONT");
  await sleep(WAKING_MS);
  await tx.query("commit");
  tx.release();
}

async function pause(
  member: Member | undefined,
  proxy: TcpProxy | undefined,
  { cutOffMs, pausedMs }: { readonly cutOffMs: number; readonly pausedMs: number },
): Promise<void> {
  proxy?.stall();
  await sleep(cutOffMs);
  member?.signal("SIGSTOP");
  await sleep(pausedMs);
  await proxy?.pass();
  await sleep(ARRIVING_MS);
  member?.signal("SIGCONT");
}

/** A proxy for each place. */
async function startProxies({
  connectionString,
}: ChaosDatabase): Promise<
  AsyncDisposable & { readonly all: readonly TcpProxy[]; readonly urls: readonly string[] }
> {
  const all = await Promise.all(
    Array.from({ length: WORKERS }, () => startTcpProxy(targetOf(connectionString))),
  );
  return {
    all,
    urls: all.map(({ port }) => Object.assign(new URL(connectionString), { port }).href),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(all.map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}
