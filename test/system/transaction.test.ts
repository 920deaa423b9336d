import type pg from "pg";
import { Subject } from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import { payload } from "../../src/index.ts";
import type { Transaction } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";
import type { Recording } from "../support/recording.ts";

const database = usePostgres();

/** So long that a test which passes did not wait for a poll. */
const NO_POLL_MS = 30_000;

const jobs = { greet: payload<{ readonly name: string }>(), other: payload<unknown>() };

function open() {
  return openClient({ connectionString: database.connectionString, jobs });
}

/** A worker of another client, which hears of jobs through Postgres alone, and is idle and listening. */
async function idleWorker(): Promise<Recording<"greet" | "other">> {
  const heard = record(
    open().worker({
      pollIntervalMs: NO_POLL_MS,
      handlers: { greet: async (job) => Promise.resolve(job.payload.name), other: (job) => [job.payload] },
    }),
  );
  await heard.first("listen-restored");
  return heard;
}

/** A connection of the app with an open transaction. */
async function begin(): Promise<pg.PoolClient> {
  const tx = await database.pool.connect();
  onTestFinished(() => tx.release(true));
  await tx.query("begin");
  return tx;
}

async function count(db: Pick<pg.ClientBase, "query"> = database.pool): Promise<number> {
  const { rows } = await db.query<{ count: number }>("select count(*)::int as count from millrace.jobs");
  return rows[0]?.count ?? -1;
}

describe("enqueue in the app's transaction", () => {
  it("shows the job to others at the commit, which wakes an idle worker", async () => {
    const heard = await idleWorker();
    const tx = await begin();
    const id = await open().enqueue("greet", { name: "Ada" }, { tx, source: "row 1" });
    expect(await count(tx)).toBe(1);
    expect(await count()).toBe(0);
    await tx.query("commit");
    expect(await heard.first("succeeded")).toMatchObject({ job: { id, source: "row 1" }, result: "Ada" });
  });

  it("leaves nothing after a rollback", async () => {
    const tx = await begin();
    await open().enqueue("greet", { name: "Ada" }, { tx });
    await open().enqueueMany([{ kind: "other", payload: 1, delayMs: 60_000 }], { tx });
    expect(await count(tx)).toBe(2);
    await tx.query("rollback");
    expect(await count()).toBe(0);
  });

  it("leaves the transaction open and usable after a payload that is refused", async () => {
    const tx = await begin();
    const client = open();
    await expect(client.enqueue("other", "a NUL \u0000", { tx })).rejects.toThrow("NUL");
    await client.enqueue("other", "fine", { tx });
    await tx.query("commit");
    expect(await count()).toBe(1);
  });

  it.each<[string, (tx: pg.ClientBase) => Transaction]>([
    ["with an object that holds rows", (tx) => ({ query: (text, values) => tx.query(text, values) })],
    ["with rows alone", (tx) => ({ query: async (text, values) => (await tx.query(text, values)).rows })],
    [
      "with a thenable",
      (tx) => ({ query: (text, values) => ({ then: (...on) => tx.query(text, values).then(...on) }) }),
    ],
  ])("takes any driver that answers %s", async (_, driverOf) => {
    const tx = await begin();
    const client = open();
    const parent = await client.enqueue("other", 1, { tx: driverOf(tx) });
    const [child] = await client.enqueueMany([{ kind: "other", payload: 2, after: [parent] }], {
      tx: driverOf(tx),
    });
    await tx.query("commit");
    const { rows } = await database.pool.query(
      "select j.id::text, j.state from millrace.jobs j order by j.id",
    );
    expect(rows).toEqual([
      { id: parent, state: "pending" },
      { id: child, state: "waiting" },
    ]);
  });

  it("makes a parent and its child in one transaction", async () => {
    const heard = await idleWorker();
    const client = open();
    const tx = await begin();
    const parent = await client.enqueue("other", 1, { tx });
    const child = await client.enqueue("other", 2, { tx, after: [parent] });
    await tx.query("commit");
    await heard.first("succeeded", ({ job }) => job.id === child);
    expect(heard.all("succeeded").map(({ job }) => job.id)).toEqual([parent, child]);
  });

  it("wakes nobody when it rolls back, and a delayed job of a commit is run when it is due", async () => {
    const heard = await idleWorker();
    const client = open();
    const tx = await begin();
    await client.enqueue("other", "rolled back", { tx });
    await tx.query("rollback");
    await tx.query("begin");
    const id = await client.enqueue("other", "due", { tx, delayMs: 200 });
    await tx.query("commit");
    expect((await heard.first("succeeded")).job.id).toBe(id);
    expect(heard.all("claimed")).toHaveLength(1);
  });
});

describe("notifications", () => {
  it("wake an idle worker of another client", async () => {
    const heard = await idleWorker();
    const id = await open().enqueue("greet", { name: "Ada" });
    expect((await heard.first("succeeded")).job.id).toBe(id);
  });

  it("are not needed: with listen false, polling finds the job", async () => {
    const handlers = { other: () => undefined };
    const heard = record(open().worker({ listen: false, pollIntervalMs: 50, handlers }));
    await heard.first("started");
    const id = await open().enqueue("other", null);
    expect((await heard.first("succeeded")).job.id).toBe(id);
    expect(heard.all("listen-restored")).toEqual([]);
  });

  it("are not needed: the app's own wakeup$ makes the worker look", async () => {
    const wakeup$ = new Subject<void>();
    const handlers = { other: () => undefined };
    const heard = record(open().worker({ listen: false, pollIntervalMs: NO_POLL_MS, wakeup$, handlers }));
    await heard.first("started");
    const id = await open().enqueue("other", null);
    wakeup$.next();
    expect((await heard.first("succeeded")).job.id).toBe(id);
    wakeup$.error(new Error("the app's source broke"));
    expect((await heard.first("wakeup-failed")).error.message).toBe("the app's source broke");
  });
});

describe("the SQL function enqueue", () => {
  it("wakes an idle worker", async () => {
    const heard = await idleWorker();
    const { rows } = await database.pool.query<{ id: string }>(
      `select millrace.enqueue('greet', '{"name": "SQL"}')::text as id`,
    );
    expect(await heard.first("succeeded")).toMatchObject({
      job: { id: rows[0]?.id, maxAttempts: 3 },
      result: "SQL",
    });
  });

  it("wakes it when a delayed job is due", async () => {
    const heard = await idleWorker();
    await database.pool.query("select millrace.enqueue('other', '1', delay => interval '200 ms')");
    await heard.first("succeeded");
  });

  it("takes every option by name", async () => {
    const parent = await open().enqueue("other", "parent");
    await database.pool.query(
      `select millrace.enqueue(kind => 'other', payload => '[1]', queue => 'mail', priority => -5,
         run_at => '2099-01-01T00:00:00Z', max_attempts => 7, source => 'turn 1',
         after => array[$1::bigint], after_failure => 'run')`,
      [parent],
    );
    const { rows } = await database.pool.query(
      `select state, kind, payload, queue, priority, run_at, max_attempts, source, after_failure
         from millrace.jobs where state = 'waiting'`,
    );
    expect(rows).toEqual([
      {
        state: "waiting",
        kind: "other",
        payload: [1],
        queue: "mail",
        priority: -5,
        run_at: new Date("2099-01-01T00:00:00Z"),
        max_attempts: 7,
        source: "turn 1",
        after_failure: "run",
      },
    ]);
  });

  it("enqueues from a trigger, in the transaction of the write, and wakes an idle worker", async () => {
    await database.pool.query(`
      create table person (id int primary key, name text not null);
      create function greet_person() returns trigger language plpgsql as $$ begin
        perform millrace.enqueue('greet', jsonb_build_object('name', new.name), source => 'person ' || new.id);
        return new;
      end $$;
      create trigger greet after insert on person for each row execute function greet_person();`);
    onTestFinished(async () => {
      await database.pool.query("drop table person; drop function greet_person");
    });
    const heard = await idleWorker();
    const tx = await begin();
    await tx.query("insert into person values (1, 'nobody')");
    await tx.query("rollback");
    await tx.query("insert into person values (2, 'Ada')");
    expect(await heard.first("succeeded")).toMatchObject({ job: { source: "person 2" }, result: "Ada" });
    expect(heard.all("succeeded")).toHaveLength(1);
  });

  it.each([
    ["a kind that is empty", "millrace.enqueue('', '1')", "expected kind to be"],
    ["no payload", "millrace.enqueue('other', null)", "expected payload to be JSON"],
    ["an empty queue", "millrace.enqueue('other', '1', queue => '')", "expected queue to be"],
    [
      "a priority out of range",
      "millrace.enqueue('other', '1', priority => 99999)",
      "expected priority to be",
    ],
    ["no attempts", "millrace.enqueue('other', '1', max_attempts => 0)", "expected max_attempts to be"],
    [
      "an endless delay",
      "millrace.enqueue('other', '1', run_at => 'infinity')",
      "expected run_at and delay to be finite",
    ],
    [
      "an unknown fate",
      "millrace.enqueue('other', '1', after_failure => 'maybe')",
      "expected after_failure to be",
    ],
    [
      "a null among the parents",
      "millrace.enqueue('other', '1', after => array[null::bigint])",
      "expected after to hold no nulls",
    ],
  ])("refuses %s, and says what is expected", async (_, call, message) => {
    await expect(database.pool.query(`select ${call}`)).rejects.toThrow(message);
    expect(await count()).toBe(0);
  });
});
