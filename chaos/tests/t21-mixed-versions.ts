import { createClient, payload } from "../../src/index.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { FleetPlan } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import { startDelays } from "../harness/start-delays.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";
import type { Work } from "../harness/work.ts";

/** What each version has handlers for. Nobody knows an `orphan`. */
const KINDS = { old: ["work", "old"], new: ["work", "new"] } as const;

const jobs = {
  work: payload<Work>(),
  old: payload<Work>(),
  new: payload<Work>(),
  orphan: payload<Work>(),
};

type Kind = keyof typeof jobs;

const STARVED_MS = 5_000;

/** Which kind each job is of: a claim takes its row away. */
const KINDS_SQL = "create table chaos.kinds (job bigint primary key, kind text)";

/** Claims by label of the worker: the version is what it begins with. */
const UNKNOWN_SQL = `
select count(*)::int as count from chaos.history h join chaos.kinds k on k.job = h.job
 where h.what = 'claimed' and not exists (
   select from jsonb_each($1::jsonb) v (version, kinds) where h.worker like v.version || '%' and v.kinds ? k.kind)`;

/**
 * A deployment half done: workers of two versions on one schema, and kinds that only one of them
 * knows, or neither. Jobs that nobody knows stand first in line for the whole time.
 *
 * The controls: a worker that has a handler which the tally does not know of, and a kind whose workers
 * come late.
 */
export const t21: ChaosTest = {
  id: "T21",
  title: "old and new workers on one schema, with kinds that only one knows",
  ci: false,
  run: async ({ random, size, database: open }) => {
    const seconds = size(20);
    await using database = await open();
    await database.pool.query(KINDS_SQL);
    await using queue = lineUp(database);
    await queue.add(Array.from({ length: size(5_000) }, () => ({ kind: "orphan", priority: -10 })));
    await using olds = startFleet(database, planOf("old", KINDS.old));
    await using news = startFleet(database, planOf("new", KINDS.new));
    await olds.ready();
    await news.ready();
    const kinds: readonly Kind[] = ["work", "old", "new"];
    for (const endsAt = nowMs() + seconds * 1_000; nowMs() < endsAt; await sleep(200)) {
      // Sometimes a hundred of one kind, so that the others stand behind them.
      const most = kinds[random.integer(0, 2)] ?? "work";
      const crowd = Array.from({ length: random.integer(0, 100) }, () => most);
      const works = [...crowd, ...kinds].map((kind) => ({ kind, work: mixedWork(random, 10) }));
      await queue.add(works);
    }
    await queue.doneBut("orphan");
    await olds.stop();
    await news.stop();
    const unknownClaims = await queue.unknownClaims();
    const { slowestStartMs = Infinity, medianStartMs = Infinity } = await startDelays(database);
    const orphans = await queue.left();
    // The audit counts connections, those of the board's client too.
    await queue[Symbol.asyncDispose]();
    const { unfinished = -1, ...audit } = await database.audit();
    const control = await controlled(database);
    return {
      figures: {
        unknownClaims,
        slowestStartMs,
        medianStartMs,
        orphans,
        ...audit,
        unfinished: unfinished - orphans,
        unexpectedExits: olds.figures()["unexpectedExits"] ?? -1,
        newUnexpectedExits: news.figures()["unexpectedExits"] ?? -1,
        handlesLeft: (olds.figures()["handlesLeft"] ?? 0) + (news.figures()["handlesLeft"] ?? 0),
      },
      rules: {
        ...SOUND,
        newUnexpectedExits: is(0),
        extraRuns: is(0),
        unknownClaims: is(0),
        slowestStartMs: atMost(STARVED_MS),
        orphans: is(size(5_000)),
      },
      control,
      controlRules: { unknownClaims: atLeast(1), slowestStartMs: atLeast(STARVED_MS + 1) },
    };
  },
};

async function controlled(database: ChaosDatabase): Promise<Figures> {
  await using queue = lineUp(database);
  const from = nowMs();
  await queue.add([{ kind: "new", work: { deed: "transaction" } }]);
  await sleep(STARVED_MS + 500);
  await using fleet = startFleet(database, {
    ...planOf("old", ["work", "old", "new"]),
    name: "old control ",
  });
  await fleet.ready();
  await queue.doneBut("orphan");
  await fleet.stop();
  const { slowestStartMs = 0 } = await startDelays(database, from);
  return { unknownClaims: await queue.unknownClaims(), slowestStartMs };
}

function planOf(name: string, kinds: readonly string[]): FleetPlan {
  return { size: 2, name, worker: { leaseDurationMs: 5_000, concurrency: 5 }, order: { kinds } };
}

/** A job to line up. An orphan has no work to note: nobody will do it. */
interface Entry {
  readonly kind: Kind;
  readonly work?: Work;
  readonly priority?: number;
}

interface Line extends AsyncDisposable {
  readonly add: (entries: readonly Entry[]) => Promise<void>;
  /** Resolves when no job is left but those of a kind. */
  readonly doneBut: (kind: Kind) => Promise<void>;
  readonly left: () => Promise<number>;
  /** How many claims took a job of a kind that the worker's version does not know. */
  readonly unknownClaims: () => Promise<number>;
}

function lineUp({ connectionString, pool, ledger }: ChaosDatabase): Line {
  const client = createClient({ connectionString, jobs, logger: false });
  const count = async (text: string, values: readonly unknown[]): Promise<number> => {
    const { rows } = await pool.query<{ count: number }>(text, [...values]);
    return rows[0]?.count ?? -1;
  };
  return {
    add: async (entries) => {
      const news = entries.map(({ kind, work = { deed: "return" }, priority = 0 }) => ({
        kind,
        payload: work,
        priority,
        maxAttempts: 100,
      }));
      const ids = await client.enqueueMany(news);
      entries.forEach(({ work }, n) => {
        if (work !== undefined) ledger.enqueued(ids[n] ?? "0", work.deed);
      });
      await pool.query("insert into chaos.kinds select * from unnest($1::bigint[], $2::text[])", [
        ids,
        entries.map(({ kind }) => kind),
      ]);
    },
    doneBut: async (kind) => {
      const text = "select count(*)::int as count from millrace.jobs where kind <> $1";
      for (const endsAt = nowMs() + 60_000; (await count(text, [kind])) > 0; await sleep(100))
        if (nowMs() > endsAt) throw new Error(`Waited 60 s for all jobs but those of ${kind}`);
    },
    left: () => count("select count(*)::int as count from millrace.jobs", []),
    unknownClaims: () => count(UNKNOWN_SQL, [JSON.stringify(KINDS)]),
    [Symbol.asyncDispose]: () => client.close(),
  };
}
