import pg from "pg";
import { openDatabase } from "../harness/database.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep, until } from "../harness/wait.ts";
import { mixedWork } from "../harness/work.ts";

const WORKERS = 10;

/** Room for all workers, when nobody else is there: each has five, and one of the app. */
const CONNECTIONS = 80;

/** How long a worker may take to be up once there is room: its longest wait to try again, and some. */
const UP_MS = 5_000;

const WORKED_SQL = `select count(distinct worker)::int as count from chaos.runs`;

/**
 * Others hold every connection that the server has while workers start: each attempt to connect ends
 * with `53300`, which goes away by itself.
 */
export const t15: ChaosTest = {
  id: "T15",
  title: "max_connections exhausted while 10 workers start",
  ci: false,
  needsOwnServer: true,
  run: async ({ random, size, server: startServer }) => {
    await using server = await startServer({ max_connections: String(CONNECTIONS) });
    await using database = await openDatabase(server.connectionString);
    await database.enqueue(size(3_000), () => mixedWork(random, 30));
    // The board's own connections wait with the others.
    await until("the board's pool is idle", () => (database.pool.idleCount === 0 ? true : undefined));
    await using hogs = await holdAll(server.connectionString);
    await using fleet = startFleet(database, {
      size: WORKERS,
      worker: { leaseDurationMs: 10_000, concurrency: 5 },
      order: { appConnections: 1 },
    });
    await until("each worker was refused", () => (refusedOf(fleet) === WORKERS ? true : undefined));
    await sleep(size(10_000));
    const startedEarly = countOf(fleet, "started");
    const freedAt = nowMs();
    await hogs[Symbol.asyncDispose]();
    await until(
      "all workers are up",
      () => (countOf(fleet, "listen-restored") === WORKERS ? true : undefined),
      {
        timeoutMs: 60_000,
      },
    ).catch(() => undefined);
    const upMs = nowMs() - freedAt;
    await database.allDone();
    // Work for those that came last, too.
    await database.enqueue(size(3_000), () => mixedWork(random, 30));
    await database.allDone();
    await fleet.stop();
    const audit = await database.audit();
    const { rows } = await database.pool.query<{ count: number }>(WORKED_SQL);
    return {
      figures: {
        held: hogs.count,
        refused: refusedOf(fleet),
        startedEarly,
        up: countOf(fleet, "started"),
        upMs,
        worked: rows[0]?.count ?? 0,
        ...audit,
        ...fleet.figures(),
      },
      rules: {
        ...SOUND,
        held: atLeast(CONNECTIONS - 5),
        refused: is(WORKERS),
        startedEarly: is(0),
        up: is(WORKERS),
        upMs: atMost(UP_MS),
        worked: is(WORKERS),
        extraRuns: is(0),
      },
    };
  },
};

/** Opens connections until the server has none left. Disposing it closes them. */
async function holdAll(connectionString: string): Promise<AsyncDisposable & { readonly count: number }> {
  const held: pg.Client[] = [];
  const free = async (): Promise<void> => void (await Promise.all(held.map((one) => one.end())));
  for (;;) {
    const client = new pg.Client({ connectionString, application_name: "hog" });
    client.on("error", () => undefined);
    try {
      await client.connect();
      held.push(client);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "53300")
        return { count: held.length, [Symbol.asyncDispose]: free };
      await free();
      throw error;
    }
  }
}

/** How many workers told of an event. */
function countOf(fleet: Fleet, type: string): number {
  return fleet.all.filter(({ said }) => said.some((one) => one.said === "event" && one.event.type === type))
    .length;
}

/** How many workers were refused a connection for want of room. */
function refusedOf(fleet: Fleet): number {
  return fleet.all.filter(({ said }) =>
    said.some(
      (one) =>
        one.said === "event" && "error" in one.event && one.event.error.message.includes("too many clients"),
    ),
  ).length;
}
