import { once } from "node:events";
import pg from "pg";
import { createClient, payload } from "../src/index.ts";
import { startEmbeddedPostgres } from "../src/embedded/index.ts";

/**
 * Counts what 1,000 jobs cost, and fails where that has grown: round trips to the server, and rows that
 * it writes. Nothing is timed, so that it tells the same on any machine. How many jobs share a round trip
 * depends on how quick they are, so what may vary has a limit above all that was seen.
 */

const JOBS = 1_000;

/** The tables that jobs pass through. */
const ROWS_SQL = `
select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int as rows
  from pg_stat_user_tables where schemaname = 'millrace' and relname in ('pending', 'claimed', 'scheduled', 'failed')`;

/** What may be counted at most for 1,000 jobs. */
interface Limits {
  readonly roundTrips: number;
  readonly rows: number;
}

/** A way to send and run 1,000 jobs, all of which must have ended when it is done. */
interface Way {
  readonly name: string;
  readonly most: Limits;
  readonly run: (client: Client, done: EventTarget) => Promise<void>;
}

type Client = ReturnType<typeof open>;

const WAYS: readonly Way[] = [
  {
    name: "enqueued in one call, then worked off",
    // Seen: 24 and 26 round trips. Four rows a job: into `pending` and out of it, and the same for `claimed`.
    most: { roundTrips: 60, rows: 4_500 },
    run: async (client, done) => {
      await client.enqueueMany(Array.from({ length: JOBS }, () => ({ kind: "job", payload: null })));
      await work(client, done);
    },
  },
  {
    name: "enqueued by 64 callers at once, then worked off",
    // Seen: 84 and 86.
    most: { roundTrips: 160, rows: 4_500 },
    run: async (client, done) => {
      await Promise.all(
        Array.from({ length: 64 }, async (_, caller) => {
          for (let n = caller; n < JOBS; n += 64) await client.enqueue("job", null);
        }),
      );
      await work(client, done);
    },
  },
  {
    name: "enqueued one by one while a worker waits",
    // Seen: 4,017. An enqueue and its notification, a claim and a settle for each.
    most: { roundTrips: 4_300, rows: 4_500 },
    run: async (client, done) => {
      const worker = await spawn(client, done);
      for (let n = 0; n < JOBS; n += 1) {
        const ended = once(done, "job");
        await client.enqueue("job", null);
        await ended;
      }
      await worker.shutdown();
    },
  },
];

await using server = await startEmbeddedPostgres();
let roundTrips = 0;
countRoundTrips();
const grown: string[] = [];
for (const { name, most, run } of WAYS) {
  const counted = await count(run);
  const text = `${name}: ${counted.roundTrips} round trips, ${counted.rows} rows written`;
  process.stdout.write(`${text}\n`);
  if (counted.roundTrips > most.roundTrips || counted.rows > most.rows) {
    grown.push(`${text}; at most ${most.roundTrips} and ${most.rows} were expected`);
  }
}
for (const text of grown) process.stderr.write(`1,000 jobs cost more than they did: ${text}\n`);
process.exitCode = grown.length === 0 ? 0 : 1;

function open(connectionString: string) {
  return createClient({ connectionString, logger: false, jobs: { job: payload<null>() } });
}

async function spawn(client: Client, done: EventTarget) {
  return client.spawnWorker({
    concurrency: 24,
    handlers: { job: () => void done.dispatchEvent(new Event("job")) },
  });
}

async function work(client: Client, done: EventTarget): Promise<void> {
  let left = JOBS;
  const all = new Promise<void>((resolve) => {
    done.addEventListener("job", () => {
      left -= 1;
      if (left === 0) resolve();
    });
  });
  const worker = await spawn(client, done);
  await all;
  await worker.shutdown();
}

/** Counts what a way costs, on a schema of its own making. */
async function count(run: Way["run"]): Promise<Limits> {
  const admin = new pg.Client({ connectionString: server.connectionString });
  await admin.connect();
  await admin.query("drop schema if exists millrace cascade");
  const migrating = open(server.connectionString);
  await migrating.migrate();
  await migrating.close();
  const client = open(server.connectionString);
  const before = await rowsWritten(admin);
  const from = roundTrips;
  await run(client, new EventTarget());
  const made = roundTrips - from;
  // Backends tell what they wrote when they end.
  await client.close();
  const rows = (await rowsWritten(admin)) - before;
  await admin.end();
  return { roundTrips: made, rows };
}

async function rowsWritten(admin: pg.Client): Promise<number> {
  await admin.query("select pg_stat_clear_snapshot()");
  return (await admin.query<{ rows: number }>(ROWS_SQL)).rows[0]?.rows ?? Number.NaN;
}

/** Every query of `pg` is a round trip: the library sends none in a pipeline. */
function countRoundTrips(): void {
  const original = pg.Client.prototype.query;
  pg.Client.prototype.query = function query(this: pg.Client, ...args: never[]) {
    roundTrips += 1;
    return Reflect.apply(original, this, args) as never;
  };
}
