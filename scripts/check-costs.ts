import { once } from "node:events";
import pg from "pg";
import { createClient, payload } from "../src/index.ts";
import { startEmbeddedPostgres } from "../src/embedded/index.ts";

/**
 * Counts what 1,000 jobs cost, and fails where that has grown: round trips to the server, and rows that
 * it writes and reads. Nothing is timed, so that it tells the same on any machine. How many jobs share a
 * round trip depends on how quick they are, so that has a limit above all that was seen. It
 * fails as well where it counts less than jobs can cost: then it does not see them.
 */

const JOBS = 1_000;

/** The tables that jobs pass through. */
const ROWS_SQL = `
select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int as written,
       coalesce(sum(idx_tup_fetch + seq_tup_read), 0)::int as read
  from pg_stat_user_tables where schemaname = 'millrace' and relname in ('pending', 'claimed', 'scheduled', 'failed')`;

/** Rows of the tables that jobs pass through. */
interface Rows {
  readonly written: number;
  /** Through an index, or in a scan of a whole table. */
  readonly read: number;
}

/** What 1,000 jobs cost. */
interface Costs extends Rows {
  readonly roundTrips: number;
}

/** A way to send and run 1,000 jobs, all of which must have ended when it is done. */
interface Way {
  readonly name: string;
  /** Rows that are written at least, and mostly. */
  readonly written: number;
  /** What else may be counted at most. */
  readonly most: Omit<Costs, "written">;
  readonly run: (client: Client, done: EventTarget) => Promise<void>;
}

const CALLERS = 64;

const QUEUES = ["a", "b", "c", "d"];

/** So many rows more may be written: a heartbeat's, or of a job that is claimed twice. */
const FEW = 10;

/** Less cannot be: many jobs share a round trip, but each is read to be claimed and to be settled. */
const LEAST: Omit<Costs, "written"> = { roundTrips: 10, read: 2 * JOBS };

const COSTS = ["roundTrips", "written", "read"] as const;

type Client = ReturnType<typeof open>;

const WAYS: readonly Way[] = [
  {
    name: "enqueued in one call, then worked off",
    // Seen: 22 to 24, and 3,001 rows read. Into `pending` and out of it, and the same for `claimed`.
    written: 4 * JOBS,
    most: { roundTrips: 28, read: 3_050 },
    run: async (client, done) => {
      await client.enqueueMany(many());
      await work(client, done);
    },
  },
  {
    name: "enqueued by 64 callers at once, then worked off",
    // Seen: 50 to 52, and 3,001. The callers come together: 16 writes, and a notification for each.
    written: 4 * JOBS,
    most: { roundTrips: 60, read: 3_050 },
    run: async (client, done) => {
      await byCallers(() => client.enqueue("job", null));
      await work(client, done);
    },
  },
  {
    name: "enqueued once, with a key and to 4 queues, by 64 callers at once, then worked off",
    // Seen: 55 and 56, and 3,004. One notification tells of all queues of an insert.
    written: 4 * JOBS,
    most: { roundTrips: 65, read: 3_050 },
    run: async (client, done) => {
      await byCallers((n) => client.enqueueOnce("job", null, { key: `${n}`, queue: QUEUES[n % 4] }));
      await work(client, done, { queues: QUEUES });
    },
  },
  {
    name: "enqueued one by one while a worker waits",
    // Seen: 4,022 to 4,053, and 3,001 to 3,004. An enqueue and its notification, a claim and a settle for each.
    written: 4 * JOBS,
    most: { roundTrips: 4_150, read: 3_050 },
    run: (client, done) => oneByOne(client, client, done),
  },
  {
    name: "enqueued one by one by another client",
    // Seen: 4,028 to 4,058, and 3,002 to 3,006. Each notification is followed by one claim.
    written: 4 * JOBS,
    most: { roundTrips: 4_150, read: 3_050 },
    run: async (client, done) => {
      await using other = open(server.connectionString);
      await oneByOne(other, client, done);
    },
  },
  {
    name: "enqueued for later in one call, then worked off",
    // Seen: 21 to 26, and 4,001. Two rows more for a job: into `scheduled` and out of it.
    written: 6 * JOBS,
    most: { roundTrips: 32, read: 4_050 },
    run: async (client, done) => {
      await client.enqueueMany(many({ delayMs: 1 }));
      await work(client, done);
    },
  },
  {
    name: "enqueued in one call, then failed once and worked off",
    // Seen: 34 to 36, and 7,001 to 7,003. Through `scheduled`, and all of it twice but for the enqueue.
    written: 10 * JOBS,
    most: { roundTrips: 45, read: 7_050 },
    run: async (client, done) => {
      await client.enqueueMany(many());
      const attempt: Attempt = ({ attempt }) => {
        if (attempt === 1) throw new Error("The first attempt fails");
      };
      await work(client, done, { attempt });
    },
  },
];

await using server = await startEmbeddedPostgres();
let roundTrips = 0;
countRoundTrips();
const wrong: string[] = [];
for (const { name, written, most, run } of WAYS) {
  const counted = await count(run);
  const text = `${name}: ${textOf(counted)}`;
  process.stdout.write(`${text}\n`);
  const lower = { ...LEAST, written };
  const upper = { ...most, written: written + FEW };
  if (!COSTS.every((cost) => counted[cost] >= lower[cost]))
    wrong.push(`1,000 jobs cost less than they can: ${text}; expected were ${textOf(lower)} at least`);
  if (!COSTS.every((cost) => counted[cost] <= upper[cost]))
    wrong.push(`1,000 jobs cost more than they did: ${text}; expected were ${textOf(upper)} at most`);
}
for (const text of wrong) process.stderr.write(`${text}\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;

function textOf({ roundTrips, written, read }: Costs): string {
  return `${roundTrips} round trips, ${written} rows written and ${read} read`;
}

function open(connectionString: string) {
  return createClient({ connectionString, logger: false, jobs: { job: payload<null>() } });
}

function many(options: { readonly delayMs?: number } = {}) {
  return Array.from({ length: JOBS }, () => ({ kind: "job" as const, payload: null, ...options }));
}

/** Enqueues each job by one of 64 callers, which call again when they are answered. */
async function byCallers(enqueue: (n: number) => Promise<unknown>): Promise<void> {
  const caller = async (from: number): Promise<void> => {
    for (let n = from; n < JOBS; n += CALLERS) await enqueue(n);
  };
  await Promise.all(Array.from({ length: CALLERS }, (_, from) => caller(from)));
}

type Attempt = (job: { readonly attempt: number }) => void;

interface Work {
  readonly queues?: readonly string[];
  /** What an attempt does before it is counted. */
  readonly attempt?: Attempt;
}

async function spawn(client: Client, done: EventTarget, { queues, attempt }: Work = {}) {
  return client.spawnWorker({
    ...(queues === undefined ? {} : { queues }),
    concurrency: 24,
    backoff: { initialMs: 1, jitter: 0 },
    handlers: {
      job: (job) => {
        attempt?.(job);
        done.dispatchEvent(new Event("job"));
      },
    },
  });
}

async function oneByOne(sender: Client, client: Client, done: EventTarget): Promise<void> {
  const worker = await spawn(client, done);
  for (let n = 0; n < JOBS; n += 1) {
    const ended = once(done, "job");
    await sender.enqueue("job", null);
    await ended;
  }
  await worker.shutdown();
}

async function work(client: Client, done: EventTarget, how?: Work): Promise<void> {
  let left = JOBS;
  const all = new Promise<void>((resolve) => {
    done.addEventListener("job", () => {
      left -= 1;
      if (left === 0) resolve();
    });
  });
  const worker = await spawn(client, done, how);
  await all;
  await worker.shutdown();
}

/** Counts what a way costs, on a schema of its own making. */
async function count(run: Way["run"]): Promise<Costs> {
  const admin = new pg.Client({ connectionString: server.connectionString });
  await admin.connect();
  await admin.query("drop schema if exists millrace cascade");
  const migrating = open(server.connectionString);
  await migrating.migrate();
  await migrating.close();
  const client = open(server.connectionString);
  const before = await rowsSoFar(admin);
  const from = roundTrips;
  await run(client, new EventTarget());
  const made = roundTrips - from;
  await client.close();
  const after = await rowsSoFar(admin);
  await admin.end();
  return { roundTrips: made, written: after.written - before.written, read: after.read - before.read };
}

/** Backends tell what they wrote when they end, which may be after their client has closed. */
async function rowsSoFar(admin: pg.Client): Promise<Rows> {
  for (let left = true; left;) {
    const { rowCount } = await admin.query(
      "select from pg_stat_activity where application_name like 'millrace%'",
    );
    left = rowCount !== 0;
  }
  await admin.query("select pg_stat_clear_snapshot()");
  const { rows } = await admin.query<Rows>(ROWS_SQL);
  return rows[0] ?? { written: Number.NaN, read: Number.NaN };
}

/** Every query of `pg` is a round trip: the library sends none in a pipeline. */
function countRoundTrips(): void {
  const original = pg.Client.prototype.query;
  pg.Client.prototype.query = function query(this: pg.Client, ...args: never[]) {
    roundTrips += 1;
    return Reflect.apply(original, this, args) as never;
  };
}
