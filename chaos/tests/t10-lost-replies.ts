import { inClient } from "../harness/database.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { feed } from "../harness/feed.ts";
import { atLeast, atMost, is, within } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { startPgProxy } from "../harness/pg-proxy.ts";
import type { PgProxy } from "../harness/pg-proxy.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";

const LEASE_MS = 2_000;

/** Statements whose replies are lost, by the names that the library prepares them under. */
const STATEMENTS = ["claim", "complete", "settle", "heartbeat"];

/** No worker drains it, so that what is enqueued there can be counted. */
const PARKED = "parked";

const FORGET_PARKED_SQL = `
delete from millrace.pending where queue = '${PARKED}'; delete from millrace.scheduled where queue = '${PARKED}'`;

/**
 * How long a claim stood at most before its job began or it was given up; how many never began, and by how
 * many attempts one of them was charged at most: the next claim of its job is of a later one.
 */
const CLAIMS_SQL = `
with claim as (
  select c.*, r.at as begun, lead(c.attempt) over (partition by c.job order by c.seq) as next_attempt,
         least(r.at, (select min(e.at) from chaos.history e
                       where e.what = 'ended' and e.job = c.job and e.token = c.token)) as until
    from chaos.history c
    left join lateral (select min(r.at) as at from chaos.runs r where r.job = c.job and r.token = c.token) r on true
   where c.what = 'claimed'
)
select coalesce(max(date_part('epoch', coalesce(c.until, 'infinity') - c.at) * 1000), 0) as "longestUnbegunMs",
       coalesce(max(c.next_attempt - c.attempt) filter (where c.begun is null), -1) as "mostCharged",
       count(*) filter (where c.begun is null)::int as unbegun,
       (select count(*) from chaos.told t where t.type = 'lease-lost')::int as "leasesLost"
  from claim c`;

/**
 * Postgres commits, and the connection breaks before the answer. Whoever asked knows nothing then.
 *
 * Seen failing: a job whose claim was committed and never heard of stayed claimed for as long as its
 * worker lived. Leases were lost as well, two lost heartbeats being enough, and what ran then was
 * charged. The control enqueues again without a key, as one would; `foundAgain` counts how often a key
 * led to the job whose reply was lost, which shows that it was committed.
 */
export const t10: ChaosTest = {
  id: "T10",
  title: "replies of claims, outcomes, heartbeats and enqueues cut after the commit",
  ci: true,
  run: async ({ random, size, database: open }) => {
    const cuts = size(50, 8);
    await using database = await open();
    await using proxy = await startPgProxy(database.connectionString);
    await using load = feed(database, {
      workOf: () => (random.next() < 0.3 ? { deed: "fail-once", ms: 20 } : mixedWork(random, 100)),
      level: 60,
    });
    await using fleet = startFleet(database, {
      // One lives while two of them are killed.
      size: 3,
      connectionString: proxy.connectionString,
      worker: { leaseDurationMs: LEASE_MS, concurrency: 5, backoff: { initialMs: 50, maxMs: 50 } },
    });
    await fleet.ready();
    let unseenClaims = 0;
    let kills = 0;
    for (const statement of STATEMENTS) {
      for (let n = 0; n < cuts; n += 1) {
        // Many claims bring nothing, for there is nothing to do or they only tell what has begun.
        const leastRows = statement === "claim" && n % 2 === 0 ? 1 : 0;
        const { rows, application } = await proxy.cutReply(
          (name) => name.startsWith(`millrace_${statement}_`),
          leastRows,
        );
        if (statement === "claim" && rows > 0) {
          unseenClaims += 1;
          // A worker that lives finds what it claimed. Of one that is killed now nobody ever began it.
          const asker =
            unseenClaims % 2 === 0
              ? undefined
              : fleet.members().find(({ label }) => application.endsWith(` ${label}`));
          if (asker !== undefined) {
            asker.signal("SIGKILL");
            kills += 1;
          }
        }
        // No worker can keep a lease of which it hears nothing: the next try of each comes through.
        if (statement === "heartbeat") await sleep(LEASE_MS / 3);
      }
    }
    await load.stop();
    await database.allDone(30_000);
    const keyed = await enqueueAgain(database, proxy, { count: cuts, hasKey: true });
    const control = await enqueueAgain(database, proxy, { count: cuts, hasKey: false });
    await fleet.stop();
    const audit = await database.audit();
    const { rows } = await database.pool.query<Record<string, number>>(CLAIMS_SQL);
    return {
      figures: {
        // With those of the two ways to enqueue.
        cuts: cuts * (STATEMENTS.length + 2),
        unseenClaims,
        kills,
        ...keyed,
        ...rows[0],
        ...audit,
        ...fleet.figures(),
      },
      rules: {
        ...SOUND,
        longestUnbegunMs: atMost(LEASE_MS + 1_000),
        mostCharged: within(0, 1),
        unbegun: atLeast(1),
        leasesLost: is(0),
        // Of a claim that found nothing there is nothing to lose.
        unseenClaims: atLeast(cuts / 2),
        doubleEnqueues: is(0),
        foundAgain: is(cuts),
      },
      control,
      controlRules: { doubleEnqueues: is(cuts) },
    };
  },
};

/**
 * Enqueues jobs, each again when its reply was lost, half of them for later; and answers with how many
 * exist twice, and how often the second call found what the first had written.
 */
async function enqueueAgain(
  { pool }: ChaosDatabase,
  { connectionString, cutReply }: PgProxy,
  { count, hasKey }: { readonly count: number; readonly hasKey: boolean },
): Promise<Figures> {
  let foundAgain = 0;
  await inClient(connectionString, async (client) => {
    for (let n = 0; n < count; n += 1) {
      const statement = hasKey ? "enqueueJobs" : "enqueue";
      const cut = cutReply((name) => name.startsWith(`millrace_${statement}_`));
      const options = { queue: PARKED, source: String(n), ...(n % 2 === 0 ? {} : { delayMs: 3_600_000 }) };
      const call = async (): Promise<boolean> => {
        if (!hasKey) return (await client.enqueue("work", { deed: "return" }, options)) !== "";
        const keyed = { ...options, key: `cut ${n}` };
        return (await client.enqueueOnce("work", { deed: "return" }, keyed)).inserted;
      };
      if (!(await call().catch(call))) foundAgain += 1;
      await cut;
    }
  });
  const { rows } = await pool.query<{ count: number }>(
    `select count(*)::int - count(distinct j.source)::int as count from millrace.jobs j where j.queue = $1`,
    [PARKED],
  );
  await pool.query(FORGET_PARKED_SQL);
  return { doubleEnqueues: rows[0]?.count ?? -1, ...(hasKey ? { foundAgain } : {}) };
}
