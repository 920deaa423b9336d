import { openDatabase } from "../harness/database.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { trickle } from "../harness/feed.ts";
import { atMost, is, worstOf } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import { startPgProxy } from "../harness/pg-proxy.ts";
import type { ChaosServer } from "../harness/server.ts";
import { SOUND } from "../harness/sound.ts";
import {
  caughtUp,
  makeReadOnly,
  markAsStandby,
  onServer,
  promote,
  standbyObstacle,
} from "../harness/standby.ts";
import type { ServerPair } from "../harness/standby.ts";
import type { Bench, ChaosTest } from "../harness/test.ts";
import { nowMs, sleep, until } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";

/** How long workers may stay with a server that takes no writes, once their address leads elsewhere. */
const LEAVE_MS = 5_000;

/** How long is waited for what takes too long, in milliseconds. */
const PATIENCE_MS = 90_000;

/** The library's connections to a server. */
const CONNECTIONS_SQL = `
select count(*)::int as count from pg_stat_activity a where a.application_name like 'millrace%'`;

/** When each worker claimed first after a moment, in milliseconds since 1970. */
const CLAIMS_SQL = `
select c.worker, date_part('epoch', min(c.at)) * 1000 as at
  from chaos.claims c where c.at > to_timestamp($1::float8 / 1000) group by c.worker`;

/** A way to change the primary. */
interface Way {
  /** Whether durable commits wait for the standby. */
  readonly synchronous: boolean;
  /** Resolves when the standby has become the primary, and the old one takes reads only. */
  readonly failOver: (pair: ServerPair) => Promise<void>;
}

/** The old primary becomes read-only and the standby gets the last of it. Every connection stays open. */
const planned: Way = {
  synchronous: false,
  failOver: async (pair) => {
    await makeReadOnly(pair.primary);
    await caughtUp(pair);
    await promote(pair.standby);
  },
};

/**
 * The old primary is killed, and is back as a standby before the address has moved. Commits had waited
 * for the standby, or what the app was told would be gone.
 */
const sudden: Way = {
  synchronous: true,
  failOver: async ({ primary, standby }) => {
    await primary.stopImmediately();
    await promote(standby);
    await markAsStandby(primary.clusterDir);
    await primary.start();
  },
};

/**
 * A standby becomes the primary under load. Then the address that all use leads new connections to it;
 * those that are open stay with the old primary, which takes reads only.
 */
export const t17: ChaosTest = {
  id: "T17",
  title: "failover to a standby, the old primary read-only",
  ci: false,
  needsOwnServer: true,
  obstacle: standbyObstacle,
  run: async (bench) => {
    const one = await failedOver(bench, planned);
    const other = await failedOver(bench, sudden);
    return {
      figures: { failovers: 2, ...worstOf(one, other) },
      rules: {
        ...SOUND,
        slowestLeaveMs: atMost(LEAVE_MS),
        leftBehind: is(0),
        slowestClaimMs: atMost(LEAVE_MS),
        slowestListenMs: atMost(LEAVE_MS),
      },
    };
  },
};

async function failedOver(
  { random, size, pair: startPair }: Bench,
  { synchronous, failOver }: Way,
): Promise<Figures> {
  const [beforeMs, betweenMs] = [random.between(1_500, 2_500), random.between(0, 1_000)];
  const works = random.fork();
  await using pair = await startPair({ synchronous });
  await using proxy = await startPgProxy(pair.primary.connectionString);
  await using database = await openDatabase(proxy.connectionString, { moves: true });
  await using load = trickle(database, { workOf: () => mixedWork(works, 300), batch: 10 });
  const backoff = { initialMs: 100, maxMs: 1_000 };
  await using busy = startFleet(database, {
    size: 3,
    worker: { leaseDurationMs: 10_000, concurrency: 10, backoff },
  });
  await using idle = startFleet(database, { size: 1, name: "idle", worker: { queues: ["idle"] } });
  const fleets = [busy, idle];
  for (const { ready } of fleets) await ready();
  await sleep(beforeMs);
  await failOver(pair);
  await sleep(betweenMs);
  proxy.lead(pair.standby.connectionString);
  const movedAt = nowMs();
  const slowestLeaveMs = await lastSeen(pair.primary, movedAt);
  await until("all listen", () => listened(fleets, movedAt), { timeoutMs: PATIENCE_MS });
  await sleep(size(2_000));
  await load.stop();
  await database.allDone(PATIENCE_MS);
  const leftBehind = await connectionsOf(pair.primary);
  for (const { stop } of fleets) await stop();
  const audit = await database.audit();
  return {
    slowestLeaveMs,
    leftBehind,
    slowestClaimMs: await slowestClaimMs(database, busy, movedAt),
    slowestListenMs: listened(fleets, movedAt) ?? Infinity,
    ...audit,
    ...worstOf(busy.figures(), idle.figures()),
  };
}

/** How long the library has had connections to a server since a moment, once it has none. */
async function lastSeen(server: ChaosServer, since: number): Promise<number> {
  let at = since;
  await until(
    "the workers leave",
    async () => {
      if ((await connectionsOf(server)) === 0) return true;
      at = nowMs();
      return undefined;
    },
    { timeoutMs: PATIENCE_MS },
  );
  return at - since;
}

async function connectionsOf({ connectionString }: ChaosServer): Promise<number> {
  return onServer(connectionString, async (client) => {
    const { rows } = await client.query<{ count: number }>(CONNECTIONS_SQL);
    return rows[0]?.count ?? -1;
  });
}

/** The longest time from a moment to when a worker listened again, once all do. */
function listened(fleets: readonly Fleet[], since: number): number | undefined {
  const times = fleets.flatMap(({ members }) =>
    members().map(({ logged }) => logged.find(({ at, event }) => event === "listen-restored" && at > since)),
  );
  return times.includes(undefined) ? undefined : Math.max(...times.map((line) => (line?.at ?? 0) - since));
}

/** The longest time from a moment to the first claim of a worker. */
async function slowestClaimMs({ pool }: ChaosDatabase, fleet: Fleet, since: number): Promise<number> {
  const { rows } = await pool.query<{ worker: string; at: number }>(CLAIMS_SQL, [since]);
  const times = fleet.members().map(({ label }) => rows.find(({ worker }) => worker === label)?.at);
  return Math.max(...times.map((at) => (at ?? Infinity) - since));
}
