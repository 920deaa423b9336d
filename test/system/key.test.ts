import type pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { OptionError, payload } from "../../src/index.ts";
import type { KeyedOptions } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";
import { startTcpProxy, targetOf } from "../support/tcp-proxy.ts";

const database = usePostgres();

const jobs = { charge: payload<{ readonly order: number }>(), other: payload<unknown>() };

const KEY = { key: "charge 7" };

/** Somebody waits for a lock. */
const SOMEBODY_WAITS = `
  select true from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

function open(connectionString = database.connectionString) {
  return openClient({ connectionString, jobs });
}

async function begin(isolation = "read committed"): Promise<pg.PoolClient> {
  const tx = await database.client();
  await tx.query(`begin isolation level ${isolation}`);
  return tx;
}

async function count(table: "jobs" | "keys" = "jobs"): Promise<number> {
  const text = `select count(*)::int as count from millrace.${table}`;
  return (await database.pool.query<{ count: number }>(text)).rows[0]?.count ?? -1;
}

/** Channels hold the names of queues: one text a notification. */
async function notified(work: () => Promise<unknown>): Promise<number> {
  const listener = await database.client();
  let heard = 0;
  listener.on("notification", () => (heard += 1));
  await listener.query('listen "millrace:millrace"');
  await work();
  await listener.query("select 1");
  return heard;
}

describe("client.enqueueOnce", () => {
  it("writes the job once, and says whether it did", async () => {
    const client = open();
    const first = await client.enqueueOnce("charge", { order: 7 }, KEY);
    expect(first).toEqual({ id: expect.stringMatching(/^\d+$/u), inserted: true });
    expect(await client.enqueueOnce("charge", { order: 8 }, KEY)).toEqual({ id: first.id, inserted: false });
    expect((await database.pool.query("select payload, key from millrace.jobs")).rows).toEqual([
      { payload: { order: 7 }, key: "charge 7" },
    ]);
  });

  it("says so of two calls of the same moment, which share one write", async () => {
    const client = open();
    const calls = Array.from({ length: 10 }, () => client.enqueueOnce("charge", { order: 7 }, KEY));
    const answers = await Promise.all(calls);
    expect(answers.filter(({ inserted }) => inserted)).toHaveLength(1);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await count()).toBe(1);
  });

  it.each([
    ["no options", undefined],
    ["no key", {}],
    ["an empty key", { key: "" }],
    ["a key of 201 characters", { key: "k".repeat(201) }],
    ["a number", { key: 7 }],
    ["a key with NUL", { key: "a\u0000" }],
    ["a lone surrogate", { key: "a\ud800" }],
  ])("refuses %s before anything is written", async (_, options) => {
    const refused = open().enqueueOnce("charge", { order: 7 }, options as unknown as KeyedOptions);
    await expect(refused).rejects.toThrow(OptionError);
    expect(await count()).toBe(0);
  });

  it.each(["k".repeat(200), "'; drop table millrace.keys; --", '{"a",NULL}', '🌾 \\ "', "NULL"])(
    "takes the key %j",
    async (key) => {
      const client = open();
      await client.enqueueOnce("charge", { order: 7 }, { key });
      expect((await client.enqueueOnce("charge", { order: 7 }, { key })).inserted).toBe(false);
      expect((await database.pool.query("select key from millrace.jobs")).rows).toEqual([{ key }]);
    },
  );
});

describe("a key", () => {
  it("makes enqueue and enqueueMany resolve to the job that stands", async () => {
    const client = open();
    const id = await client.enqueue("charge", { order: 7 }, KEY);
    expect(await client.enqueue("charge", { order: 7 }, KEY)).toBe(id);
    const ids = await client.enqueueMany([
      { kind: "other", payload: 1 },
      { kind: "charge", payload: { order: 7 }, ...KEY },
      { kind: "other", payload: 2, key: "two" },
      { kind: "other", payload: 3, key: "two" },
    ]);
    expect(ids[1]).toBe(id);
    expect(ids[2]).toBe(ids[3]);
    expect(await count()).toBe(3);
  });

  it("is free when its job has succeeded, and leaves no row behind", async () => {
    const client = open();
    const heard = record(client.worker({ handlers: { charge: () => undefined } }));
    const id = await client.enqueue("charge", { order: 7 }, KEY);
    await heard.until(() => heard.all("succeeded").some(({ job }) => job.id === id));
    expect(await count("keys")).toBe(0);
    expect((await client.enqueueOnce("charge", { order: 7 }, KEY)).inserted).toBe(true);
  });

  it("wakes workers for the job that was written, and for no other", async () => {
    const [client, other] = [open(), open()];
    const heard = await notified(async () => {
      await client.enqueue("charge", { order: 7 }, KEY);
      await client.close();
      await other.enqueue("charge", { order: 7 }, KEY);
      await other.close();
    });
    expect(heard).toBe(1);
  });

  it("is given back by a rollback", async () => {
    const client = open();
    const tx = await begin();
    expect((await client.enqueueOnce("charge", { order: 7 }, { ...KEY, tx })).inserted).toBe(true);
    expect((await client.enqueueOnce("charge", { order: 7 }, { ...KEY, tx })).inserted).toBe(false);
    await tx.query("rollback");
    expect(await count("keys")).toBe(0);
    expect((await client.enqueueOnce("charge", { order: 7 }, KEY)).inserted).toBe(true);
  });

  it.each([
    ["commit", false],
    ["rollback", true],
  ])("is waited for while a transaction holds it, to its %s", async (end, inserted) => {
    const client = open();
    const tx = await begin();
    const id = await client.enqueue("charge", { order: 7 }, { ...KEY, tx });
    const second = client.enqueueOnce("charge", { order: 7 }, KEY);
    await until(database.pool, SOMEBODY_WAITS);
    await tx.query(end);
    const answer = await second;
    expect([answer.inserted, answer.id === id]).toEqual([inserted, !inserted]);
  });

  it("holds up no job without one while somebody waits for it", async () => {
    const client = open();
    const tx = await begin();
    await client.enqueue("charge", { order: 7 }, { ...KEY, tx });
    const waiting = client.enqueueOnce("charge", { order: 7 }, KEY);
    await until(database.pool, SOMEBODY_WAITS);
    await Promise.all([client.enqueue("other", 1), client.enqueue("other", 2)]);
    expect(await count()).toBe(2);
    await tx.query("commit");
    expect((await waiting).inserted).toBe(false);
  });

  it("is refused with 40001 in a snapshot that cannot see who took it, and is no double job", async () => {
    const client = open();
    const tx = await begin("repeatable read");
    await tx.query("select count(*) from millrace.jobs");
    await client.enqueue("charge", { order: 7 }, KEY);
    const refused = client.enqueueOnce("charge", { order: 7 }, { ...KEY, tx });
    await expect(refused).rejects.toMatchObject({ code: "40001" });
    expect(await count()).toBe(1);
  });

  it("goes to the new job in a snapshot that still sees the old one", async () => {
    const client = open();
    const id = await client.enqueue("charge", { order: 7 }, KEY);
    const tx = await begin("repeatable read");
    await tx.query("select count(*) from millrace.jobs");
    await client.cancel(id);
    await client.deleteFailed(id);
    const answer = await client.enqueueOnce("charge", { order: 7 }, { ...KEY, tx });
    expect([answer.inserted, answer.id === id]).toEqual([true, false]);
    await tx.query("commit");
    expect(await count()).toBe(1);
  });
});

describe("a key that many ask for", () => {
  it("makes one job a round, 200 times with 8 clients at once", async () => {
    const clients = Array.from({ length: 8 }, () => open());
    for (let round = 0; round < 200; round += 1) {
      const answers = await Promise.all(
        clients.map((client) => client.enqueueOnce("charge", { order: round }, { key: `order ${round}` })),
      );
      expect(answers.filter(({ inserted }) => inserted)).toHaveLength(1);
      expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    }
    expect([await count(), await count("keys")]).toEqual([200, 200]);
  }, 120_000);

  it("is taken in its turn also where it is freed while later keys are waited for", async () => {
    const [tx, client, other] = [await begin(), open(), open()];
    const batch = (keys: string) =>
      keys.split("").map((key) => ({ kind: "other", payload: null, key }) as const);
    const id = await client.enqueue("other", null, { key: "a" });
    await client.enqueue("other", null, { key: "c", tx });
    const taken = client.enqueueMany(batch("abc"));
    await until(database.pool, SOMEBODY_WAITS);
    await client.cancel(id);
    await client.deleteFailed(id);
    const takenToo = other.enqueueMany(batch("ab"));
    await until(database.pool, `select true from (${SOMEBODY_WAITS}) w having count(*) = 2`);
    await tx.query("rollback");
    expect((await taken).slice(0, 2)).toEqual(await takenToo);
    expect([await count(), await count("keys")]).toEqual([3, 3]);
  });

  it("makes nobody wait in a circle, in whatever order keys are taken while jobs free them", async () => {
    const [owner, ...clients] = Array.from({ length: 7 }, () => open());
    if (owner === undefined) throw new Error("Expected a client");
    const heard = record(
      owner.worker({ concurrency: 20, pollIntervalMs: 20, handlers: { other: () => undefined } }),
    );
    await heard.first("started");
    const keys = Array.from({ length: 20 }, (_, n) => `stone ${n}`);
    for (let round = 0; round < 40; round += 1) {
      await Promise.all(
        clients.map((client, n) =>
          client.enqueueMany(
            (n % 2 === 0 ? keys : keys.toReversed()).map((key) => ({ kind: "other", payload: null, key })),
          ),
        ),
      );
    }
    await until(database.pool, "select true where not exists (select from millrace.jobs)");
    expect(await count("keys")).toBe(0);
    const troubles = heard.events.filter(({ type }) => type.endsWith("-failed"));
    expect(troubles).toEqual([]);
  }, 120_000);
});

describe("an enqueue whose reply is lost after the commit", () => {
  /** Cuts the connection of an enqueue when its job is committed and its reply is on the way. */
  async function lostReply(options: KeyedOptions): Promise<() => Promise<unknown>> {
    const proxy = await startTcpProxy(targetOf(database.connectionString));
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const url = new URL(database.connectionString);
    url.host = `127.0.0.1:${proxy.port}`;
    const client = open(url.href);
    await client.pendingCount();
    const blocker = await begin();
    await blocker.query("lock table millrace.keys in exclusive mode");
    const first = client.enqueue("charge", { order: 7 }, options).catch((error: unknown) => error);
    await until(database.pool, SOMEBODY_WAITS);
    proxy.stall();
    await blocker.query("commit");
    await until(database.pool, "select true from millrace.jobs");
    proxy.cut();
    expect(await first).toBeInstanceOf(Error);
    await proxy.pass();
    return () => client.enqueueOnce("charge", { order: 7 }, options);
  }

  it("leaves one job when it is called again", async () => {
    const again = await lostReply(KEY);
    expect(await again()).toMatchObject({ inserted: false });
    expect(await count()).toBe(1);
  });

  it("leaves one job even where that has succeeded meanwhile, if its result is kept", async () => {
    const again = await lostReply({ ...KEY, keepResultMs: 60_000 });
    const heard = record(open().worker({ handlers: { charge: () => "paid" } }));
    await heard.first("succeeded");
    expect(await again()).toMatchObject({ inserted: false });
    expect(await count()).toBe(1);
    expect(heard.all("succeeded")).toHaveLength(1);
  });
});
