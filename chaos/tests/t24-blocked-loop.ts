import { atLeast, is } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { MISTOLD_SQL } from "../harness/ledger-sql.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import type { Deed, Work } from "../harness/work.ts";

const LEASE_MS = 1_000;
const BLOCK_MS = 3 * LEASE_MS;
const CONCURRENCY = 10;
const WORKERS = 3;

/** How long a statement that was sent before a block may take, in milliseconds. */
const SENT_MS = 50;

/** With so many claims a worker is taken to be busy: some end and begin just then. */
const BUSY = 8;

/**
 * How often the loop was blocked, how often while its worker was busy, and how many jobs it claimed
 * meanwhile.
 */
const BLOCKS_SQL = `
with first_run as (
  select distinct on (r.job) r.job, r.worker, r.at from chaos.runs r order by r.job, r.at
), block as (
  select r.worker, r.at, (
    select count(*) from chaos.history c
     where c.what = 'claimed' and c.worker = r.worker and c.at < r.at
       and not exists (select from chaos.history e
                        where e.what = 'ended' and e.job = c.job and e.token = c.token and e.at < r.at)
  ) as open
    from first_run r join chaos.enqueued e on e.job = r.job
   where e.deed = 'block-once'
)
select (select count(*) from block)::int as blocks,
       (select count(*) from block b where b.open >= $3)::int as "busyBlocks",
       (select count(*) from block b join chaos.history h on h.worker = b.worker
         where h.what = 'claimed' and h.at > b.at + make_interval(secs => $1::float8 / 1000)
           and h.at < b.at + make_interval(secs => $2::float8 / 1000))::int as "claimsWhileBlocked"`;

const NEIGHBOURS: readonly Deed[] = ["transaction", "return", "progress"];

/**
 * A handler blocks the event loop for three leases while nine others run beside it: no heartbeat is
 * sent, and everything that came meanwhile is handled in one go afterwards.
 *
 * Seen failing: while the worker went on with its batch before its timers had a turn, some jobs began
 * after others had finished them. The control of T02 is the same fault from outside.
 */
export const t24: ChaosTest = {
  id: "T24",
  title: "the event loop blocked for 3 leases with 10 jobs running",
  ci: true,
  run: async ({ random, size, database: open }) => {
    const planned = size(40, 8);
    const jobs = planned * CONCURRENCY + WORKERS * CONCURRENCY;
    await using database = await open();
    await database.enqueue(jobs, (n) => workOf(n, planned, random.integer(0, 1_500)));
    await using fleet = startFleet(database, {
      size: WORKERS,
      worker: {
        leaseDurationMs: LEASE_MS,
        concurrency: CONCURRENCY,
        progressIntervalMs: 50,
        pollIntervalMs: 200,
      },
      order: { lagAboveMs: LEASE_MS },
    });
    await fleet.ready();
    await database.allDone();
    await fleet.stop();
    const audit = await database.audit();
    const { rows } = await database.pool.query<Record<string, number>>(MISTOLD_SQL);
    const blocks = await database.pool.query<Record<string, number>>(BLOCKS_SQL, [SENT_MS, BLOCK_MS, BUSY]);
    const expired = fleet.events().filter(({ event }) => event.type === "lease-expired").length;
    const lags = fleet.all.flatMap(({ said }) => said.map((one) => (one.said === "lag" ? one.ms : 0)));
    return {
      figures: {
        planned,
        ...blocks.rows[0],
        expired,
        longestLagMs: Math.max(...lags),
        ...audit,
        ...rows[0],
        ...fleet.figures(),
      },
      rules: {
        ...SOUND,
        refused: atLeast(1),
        expired: atLeast(1),
        longestLagMs: atLeast(2 * LEASE_MS),
        busyBlocks: atLeast(planned / 2),
        claimsWhileBlocked: is(0),
        mistoldEnds: is(0),
      },
    };
  },
};

/**
 * One job in ten blocks, the last of those that a worker claims at first; the others, and those at the end
 * of the queue, take up to three halves of a lease.
 */
function workOf(n: number, planned: number, ms: number): Work {
  const blocks = n % CONCURRENCY === CONCURRENCY - 1 && n < planned * CONCURRENCY;
  if (blocks) return { deed: "block-once", ms: BLOCK_MS };
  return { deed: NEIGHBOURS[n % NEIGHBOURS.length] ?? "return", ms };
}
