import { atLeast, is } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { MISTOLD_SQL } from "../harness/ledger-sql.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import type { Deed, Work } from "../harness/work.ts";

const LEASE_MS = 1_000;
const BLOCK_MS = 3 * LEASE_MS;
const CONCURRENCY = 10;

/** How long a statement that was sent before a block may take, in milliseconds. */
const SENT_MS = 50;

/** How often the loop was blocked, and how many jobs its worker claimed meanwhile. */
const BLOCKS_SQL = `
with block as (
  select r.worker, r.at from chaos.runs r join chaos.enqueued e on e.job = r.job
   where e.deed = 'block-once' and r.token = 1
)
select (select count(*) from block)::int as blocks,
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
    const jobs = size(400, 80);
    await using database = await open();
    await database.enqueue(jobs, (n) => workOf(n, random.integer(0, 1_500)));
    await using fleet = startFleet(database, {
      size: 3,
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
    const blocks = await database.pool.query<Record<string, number>>(BLOCKS_SQL, [SENT_MS, BLOCK_MS]);
    const expired = fleet.events().filter(({ event }) => event.type === "lease-expired").length;
    const lags = fleet.all.flatMap(({ said }) => said.map((one) => (one.said === "lag" ? one.ms : 0)));
    return {
      figures: {
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
        blocks: atLeast(1),
        claimsWhileBlocked: is(0),
        mistoldEnds: is(0),
      },
    };
  },
};

/** One job in ten blocks, the others take up to three halves of a lease. */
function workOf(n: number, ms: number): Work {
  if (n % CONCURRENCY === 0) return { deed: "block-once", ms: BLOCK_MS };
  return { deed: NEIGHBOURS[n % NEIGHBOURS.length] ?? "return", ms };
}
