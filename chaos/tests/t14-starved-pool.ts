import { atLeast, atMost, is } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { sleep } from "../harness/wait.ts";

const LEASE_MS = 2_000;
const HOLD_MS = 4_000;
const APP_CONNECTIONS = 3;

/**
 * The time from the end of a handler's work to the written outcome, the longest between two renewals
 * of a lease, and how often one was lost.
 */
const WRITES_SQL = `
with settled as (
  select d.at, (select min(e.at) from chaos.history e
                 where e.what = 'ended' and e.job = d.job and e.at > d.at - interval '1 second') as written_at
    from chaos.told d where d.type = 'done'
), beat as (
  select b.worker_id, b.at - lag(b.at) over (partition by b.worker_id order by b.at) as gap from chaos.beats b
)
select (select coalesce(max(date_part('epoch', coalesce(s.written_at, 'infinity') - s.at) * 1000), 0)
          from settled s) as "slowestSettleMs",
       (select coalesce(max(date_part('epoch', b.gap) * 1000), 0) from beat b) as "longestBeatGapMs",
       (select count(*) from chaos.told t where t.type = 'lease-lost')::int as "leasesLost"`;

/**
 * Handlers hold every connection of the pool that the app gave to the library, for twice a lease.
 *
 * The control is the app itself, which asks the same pool for a connection meanwhile: so long would
 * heartbeats and outcomes wait, had they no connections of their own.
 */
export const t14: ChaosTest = {
  id: "T14",
  title: "handlers that hold every connection of the pool the app gave",
  ci: true,
  run: async ({ size, database: open }) => {
    const rounds = size(5, 1);
    await using database = await open();
    await using fleet = startFleet(database, {
      size: 1,
      worker: { leaseDurationMs: LEASE_MS, concurrency: 2 * APP_CONNECTIONS + 2 },
      order: { givesPool: true, appConnections: APP_CONNECTIONS, asksPoolEveryMs: 500 },
    });
    await fleet.ready();
    for (let round = 0; round < rounds; round += 1) {
      await database.enqueue(2 * APP_CONNECTIONS, () => ({ deed: "hold", ms: HOLD_MS }));
      // These settle while the pool is held.
      await database.enqueue(50, (n) => ({ deed: "return", ms: 10 * n }));
      await sleep(500);
      await database.allDone(60_000);
    }
    await fleet.stop();
    const audit = await database.audit();
    const { rows } = await database.pool.query<Record<string, number>>(WRITES_SQL);
    const longestWaitMs = Math.max(
      ...fleet.all.flatMap(({ said }) => said.map((one) => (one.said === "waited" ? one.ms : 0))),
    );
    return {
      figures: { rounds, ...rows[0], ...audit, ...fleet.figures() },
      rules: {
        ...SOUND,
        slowestSettleMs: atMost(1_000),
        longestBeatGapMs: atMost(LEASE_MS / 3 + 1_000),
        leasesLost: is(0),
        extraRuns: is(0),
      },
      control: { longestWaitMs },
      controlRules: { longestWaitMs: atLeast(1_000) },
    };
  },
};
