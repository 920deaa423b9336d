import { startTcpProxy, targetOf } from "../../test/support/tcp-proxy.ts";
import type { TcpProxy } from "../../test/support/tcp-proxy.ts";
import type pg from "pg";
import type { Said, Way } from "../children/worker.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atMost, is, worstOf } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { launchMember } from "../harness/member.ts";
import type { Launched } from "../harness/member.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep, until } from "../harness/wait.ts";
import type { Deed } from "../harness/work.ts";

const DRAIN_MS = 1_000;

const WAYS: readonly Way[] = [
  "SIGTERM",
  "SIGTERM twice",
  "shutdown twice",
  "shutdown and SIGTERM",
  "abort meanwhile",
];

/** What a worker is doing when it is told to stop. */
interface Situation {
  readonly name: string;
  /** Jobs that wait before it starts. */
  readonly jobs: readonly { readonly deed: Deed; readonly ms?: number }[];
  /** Whether all of them must be pending again, for their handlers end when told to and the database is there. */
  readonly givesBack?: boolean;
  /** Whether it starts without its database. */
  readonly startsAlone?: boolean;
  /** What is done to it when it has started. */
  readonly prepare?: (database: ChaosDatabase, proxy: TcpProxy) => Promise<unknown>;
}

const OBEDIENT = Array.from({ length: 3 }, () => ({ deed: "obey" }) as const);

const SITUATIONS: readonly Situation[] = [
  { name: "idle", jobs: [] },
  { name: "claiming", jobs: Array.from({ length: 3_000 }, () => ({ deed: "return", ms: 2 }) as const) },
  { name: "running", jobs: OBEDIENT, givesBack: true },
  { name: "stuck handler", jobs: [{ deed: "hang" }] },
  { name: "database down", jobs: OBEDIENT, prepare: (_, proxy) => proxy.refuse() },
  {
    name: "listener reconnecting",
    jobs: OBEDIENT,
    givesBack: true,
    prepare: ({ pool }) => pool.query(END_LISTENERS),
  },
  { name: "still starting", jobs: [], startsAlone: true },
];

const END_LISTENERS = `select pg_terminate_backend(a.pid) from pg_stat_activity a
  where a.datname = current_database() and a.application_name like 'millrace listen%'`;

/** Jobs that were given back, those whose attempt was counted, and claims that the worker did not name as leaked. */
const LEFT_SQL = `
select (select count(*) from millrace.pending)::int as "pending",
       (select count(*) from millrace.pending p where p.attempt > 0)::int as "chargedReleases",
       (select count(*) from millrace.claimed c where c.id <> all($1::bigint[]))::int as "untoldClaims",
       (select count(*) from pg_stat_activity a
         where a.datname = current_database() and a.application_name like 'millrace%')::int as "backendsLeft"`;

/**
 * Every situation of a worker, stopped in every way.
 *
 * Seen failing: with a timer that the worker left running for a minute, all of them hung.
 */
export const t26: ChaosTest = {
  id: "T26",
  title: "7 situations of a worker × 5 ways to stop it",
  ci: true,
  run: async ({ size, database: open }) => {
    const rounds = size(3, 1);
    const cases = SITUATIONS.flatMap((situation) => WAYS.map((way) => ({ situation, way })));
    const waiting = Array.from({ length: rounds }, () => cases).flat();
    let worst: Figures = {};
    let stops = 0;
    // Three at a time, for they mostly wait.
    await Promise.all(
      [1, 2, 3].map(async () => {
        await using database = await open();
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const figures = await stopIn(database, next.situation, next.way);
          worst = worstOf(worst, figures);
          stops += 1;
        }
      }),
    );
    return {
      figures: { stops, ...worst },
      rules: {
        stops: is(rounds * cases.length),
        slowestStopMs: atMost(DRAIN_MS + 1_000),
        unexpectedExits: is(0),
        wronglyLeaked: is(0),
        notGivenBack: is(0),
        chargedReleases: is(0),
        untoldClaims: is(0),
        backendsLeft: is(0),
        handlesLeft: is(0),
      },
    };
  },
};

async function stopIn(database: ChaosDatabase, situation: Situation, way: Way): Promise<Figures> {
  const { jobs, givesBack = false, startsAlone = false, prepare } = situation;
  const { pool, connectionString, ledger } = database;
  await pool.query(
    "delete from millrace.pending; delete from millrace.claimed; delete from millrace.workers",
  );
  await database.enqueue(jobs.length, (n) => jobs[n] ?? { deed: "return" });
  await using proxy = await startTcpProxy(targetOf(connectionString));
  if (startsAlone) await proxy.refuse();
  const url = new URL(connectionString);
  url.port = String(proxy.port);
  const launched = launchMember({
    connectionString: url.href,
    notes: ledger.file,
    label: `${situation.name}, ${way}`,
    worker: { drainTimeoutMs: DRAIN_MS, leaseDurationMs: 30_000, concurrency: 3 },
    stops: way,
  });
  try {
    await wordOf(launched, "ready");
    // Time to claim, to begin, and to listen.
    await sleep(300);
    await prepare?.(database, proxy);
    launched.member.signal("SIGUSR2");
    const stoppingAt = (await wordOf(launched, "stopping")).at;
    const done = await wordOf(launched, "done");
    const ended = await wordOf(launched, "ended");
    const how = await launched.ended;
    const leaked = done.result.leaked.map(({ id }) => id);
    const { pending = 0, ...left } = await leftOf(pool, leaked);
    return {
      slowestStopMs: done.at - stoppingAt,
      unexpectedExits: how === "0" || how === "hung" ? 0 : 1,
      wronglyLeaked: givesBack ? leaked.length : 0,
      notGivenBack: givesBack ? Math.abs(jobs.length - pending) : 0,
      handlesLeft: ended.handles.length + (how === "hung" ? 1 : 0),
      ...left,
    };
  } catch (error) {
    throw new Error(`${situation.name}, ${way}: ${launched.errors()}`, { cause: error });
  } finally {
    launched.member.child.kill("SIGKILL");
  }
}

async function leftOf(pool: pg.Pool, leaked: readonly string[]): Promise<Figures> {
  const look = async (): Promise<Figures> => {
    const { rows } = await pool.query<Record<string, number>>(LEFT_SQL, [leaked]);
    return rows[0] ?? {};
  };
  // Postgres takes a moment to notice that a connection was closed.
  const gone = async () => ((await look())["backendsLeft"] === 0 ? true : undefined);
  await until("no backend is left", gone, { timeoutMs: 2_000 }).catch(() => undefined);
  return look();
}

async function wordOf<Word extends Said["said"]>(
  { member, errors }: Launched,
  word: Word,
): Promise<Extract<Said, { readonly said: Word }>> {
  type Wanted = Extract<Said, { readonly said: Word }>;
  const is = (said: Said): said is Wanted => said.said === word;
  return until(`${member.label} says ${word} (${errors()})`, () => member.said.find(is), {
    timeoutMs: 20_000,
    everyMs: 5,
  });
}
