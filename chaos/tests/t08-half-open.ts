import pg from "pg";
import { inClient } from "../harness/database.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atMost, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import type { Fleet } from "../harness/fleet.ts";
import { startPgProxy } from "../harness/pg-proxy.ts";
import type { PgProxy } from "../harness/pg-proxy.ts";
import type { Random } from "../harness/random.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep, until } from "../harness/wait.ts";

/** How long a listener may be deaf without noticing, in milliseconds. */
const LIMIT_MS = 20_000;

/** More than the library's own buffers and RxJS' would take, less than a leak of every lost session. */
const HEAP_BYTES = 4_000_000;

const WORKERS = 4;

interface Stall {
  readonly label: string;
  readonly at: number;
}

/**
 * The connection that listens stays open and says nothing any more, as after a firewall forgot it.
 * The stall comes at a random moment of the watchdog's round.
 *
 * The control is a session without a watchdog, stalled in the same way: it is deaf and never knows.
 *
 * Seen failing: with a watchdog of 10 s and nonces of 5 s it took up to 22 s.
 */
export const t08: ChaosTest = {
  id: "T08",
  title: "connections that listen stalled half-open while polls are an hour apart",
  ci: true,
  run: async ({ random, size, database: open }) => {
    await using database = await open();
    await using proxy = await startPgProxy(database.connectionString);
    await using fleet = startFleet(database, {
      size: WORKERS,
      connectionString: proxy.connectionString,
      worker: { leaseDurationMs: 5_000, pollIntervalMs: 3_600_000 },
      order: { heapEveryMs: 1_000 },
    });
    await fleet.ready();
    const stalling = { fleet, proxy, random, rounds: size(5, 1) };
    const [slowestRenewalMs, control] = await Promise.all([
      slowestRenewal(stalling),
      unwatched(database, proxy),
    ]);
    await inClient(database.connectionString, async (client) => {
      const id = await client.enqueue("work", { deed: "transaction" });
      database.ledger.enqueued(id, "transaction");
    });
    await database.allDone(10_000);
    await fleet.stop();
    proxy.resetStalled();
    return {
      figures: {
        slowestRenewalMs,
        heapGrowth: fleet.heapGrowth(),
        ...(await database.audit()),
        ...fleet.figures(),
      },
      rules: {
        ...SOUND,
        slowestRenewalMs: atMost(LIMIT_MS),
        heapGrowth: atMost(HEAP_BYTES),
        extraRuns: is(0),
      },
      control,
      controlRules: { heard: is(1), noticed: is(0) },
    };
  },
};

/** What is stalled, and how often. */
interface Stalling {
  readonly fleet: Fleet;
  readonly proxy: PgProxy;
  readonly random: Random;
  readonly rounds: number;
}

/** Stalls the listener of each worker, again and again, and answers with the longest time until one was renewed. */
async function slowestRenewal({ fleet, proxy, random, rounds }: Stalling): Promise<number> {
  let slowestRenewalMs = 0;
  for (let round = 1; round <= rounds; round += 1) {
    await until("all listen", () => (renewals(fleet) >= round * WORKERS ? true : undefined));
    const stalls: Stall[] = [];
    for (const { label } of fleet.members()) {
      await sleep(random.between(0, 3_000));
      if (proxy.stall((name) => name === `millrace listen ${label}`) !== 1) throw new Error("no listener");
      stalls.push({ label, at: nowMs() });
    }
    for (const stall of stalls) slowestRenewalMs = Math.max(slowestRenewalMs, await renewal(fleet, stall));
  }
  return slowestRenewalMs;
}

/**
 * A session that only listens: notified once before it is stalled, and again after. How much it heard, and
 * whether it noticed anything within the limit.
 */
async function unwatched({ pool }: ChaosDatabase, proxy: PgProxy): Promise<Figures> {
  const name = "chaos listener";
  const { connectionString } = proxy;
  const listener = new pg.Client({ connectionString, application_name: name });
  let [heard, noticed] = [0, 0];
  listener.on("notification", () => (heard += 1));
  listener.on("error", () => (noticed += 1));
  listener.on("end", () => (noticed += 1));
  await listener.connect();
  await listener.query("listen chaos");
  await pool.query("notify chaos");
  await until("it hears", () => (heard > 0 ? true : undefined));
  proxy.stall((one) => one === name);
  await pool.query("notify chaos");
  await sleep(LIMIT_MS);
  return { heard, noticed };
}

/** How often a listener was up; the log has the first time, too, which comes before anybody hears events. */
function renewals(fleet: Fleet): number {
  return fleet.all.flatMap(({ logged }) => logged.filter(({ event }) => event === "listen-restored")).length;
}

/** How long it took until the worker listened again. */
async function renewal(fleet: Fleet, { label, at }: Stall): Promise<number> {
  const member = fleet.members().find((one) => one.label === label);
  const heard = await until(
    `${label} listens again`,
    () => member?.logged.find((line) => line.event === "listen-restored" && line.at > at),
    { timeoutMs: 3 * LIMIT_MS },
  );
  return heard.at - at;
}
