import type pg from "pg";
import { beforeEach, describe, expect, it } from "vitest";
import { LeaseLostError, payload } from "../../src/index.ts";
import type { AttemptContext, Job, WorkerSettings } from "../../src/index.ts";
import { gate, openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";
import type { Recording } from "../support/recording.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>(), child: payload<unknown>() };

type Work = (job: Job, context: AttemptContext) => Promise<unknown>;

beforeEach(async () => {
  await database.pool.query("create table if not exists effect (attempt int); truncate effect");
});

function open() {
  return openClient({ connectionString: database.connectionString, jobs });
}

function work(handler: Work, settings: WorkerSettings = {}): Recording<"work" | "child"> {
  const options = { backoff: { initialMs: 1 }, abortGraceMs: 50, ...settings };
  return record(open().worker({ ...options, handlers: { work: handler } }));
}

/** Runs `inside` in a transaction of the app's that has written an effect, and commits. */
async function inTransaction(job: Job, inside: (tx: pg.PoolClient) => Promise<unknown>): Promise<void> {
  const tx = await database.pool.connect();
  try {
    await tx.query("begin");
    await tx.query("insert into effect values ($1)", [job.attempt]);
    await inside(tx);
    await tx.query("commit");
  } catch (error) {
    await tx.query("rollback");
    throw error;
  } finally {
    tx.release();
  }
}

/** The attempts whose effect was committed. */
async function effects(): Promise<readonly number[]> {
  const { rows } = await database.pool.query<{ attempt: number }>(
    "select attempt from effect order by attempt",
  );
  return rows.map(({ attempt }) => attempt);
}

async function count(): Promise<number | null> {
  return (await database.pool.query("select from millrace.jobs")).rowCount;
}

describe("complete", () => {
  it("commits the effect and the acknowledgement together", async () => {
    const inside = gate();
    const seen = gate();
    const heard = work(async (job, { complete }) => {
      await inTransaction(job, async (tx) => {
        await complete(tx);
        inside.open();
        await seen.opened;
      });
      return "done";
    });
    const id = await open().enqueue("work", null);
    await inside.opened;
    expect([await effects(), await count()]).toEqual([[], 1]);
    seen.open();
    expect(await heard.first("succeeded")).toMatchObject({ job: { id, attempt: 1 }, result: "done" });
    expect([await effects(), await count()]).toEqual([[1], 0]);
    expect(heard.all("retry-scheduled")).toEqual([]);
  });

  it("takes any driver with query(text, values)", async () => {
    const heard = work((job, { complete }) =>
      inTransaction(job, (tx) =>
        complete({
          query: async (text: string, values: unknown[]) => (await tx.query(text, values)).rows as unknown,
        }),
      ),
    );
    await open().enqueue("work", null);
    await heard.first("succeeded");
    expect([await effects(), await count()]).toEqual([[1], 0]);
  });

  it("is undone by a rollback, after which the job is retried with the error that caused it", async () => {
    const heard = work((job, { complete }) =>
      inTransaction(job, async (tx) => {
        await complete(tx);
        if (job.attempt === 1) throw new Error("the app changed its mind");
      }),
    );
    await open().enqueue("work", null);
    expect((await heard.first("retry-scheduled")).error.message).toBe("the app changed its mind");
    expect((await heard.first("succeeded")).job.attempt).toBe(2);
    expect([await effects(), await count()]).toEqual([[2], 0]);
  });

  it("is undone by a rollback that the handler keeps to itself, after which the job is retried and says why", async () => {
    const heard = work(async (job, { complete }) => {
      const rolledBack = inTransaction(job, async (tx) => {
        await complete(tx);
        if (job.attempt < 3) throw new Error("kept to itself");
      });
      await rolledBack.catch(() => undefined);
    });
    await open().enqueue("work", null);
    await heard.first("succeeded");
    expect(heard.all("retry-scheduled").map(({ error }) => error.message)).toEqual([
      "The handler completed the job in a transaction that was not committed",
      "The handler completed the job in a transaction that was not committed",
    ]);
    expect([await effects(), await count()]).toEqual([[3], 0]);
  });

  it("has succeeded once it was committed, whatever the handler does afterwards", async () => {
    const heard = work(async (job, { complete }) => {
      await inTransaction(job, complete);
      throw new Error("after the commit");
    });
    const id = await open().enqueue("work", null);
    expect((await heard.first("succeeded")).job.id).toBe(id);
    expect([await effects(), await count()]).toEqual([[1], 0]);
    expect(heard.all("retry-scheduled")).toEqual([]);
  });

  it("has succeeded once it was committed, though the attempt timed out afterwards", async () => {
    const heard = work(
      async (job, { complete }) => {
        await inTransaction(job, complete);
        await new Promise(() => {});
      },
      { timeoutMs: 300 },
    );
    const id = await open().enqueue("work", null);
    expect((await heard.first("succeeded")).job.id).toBe(id);
    expect([await effects(), await count()]).toEqual([[1], 0]);
  });

  it("starts the jobs that waited for this one in the same transaction", async () => {
    const inside = gate();
    const seen = gate();
    const enqueued = gate();
    const heard = work((job, { complete }) =>
      inTransaction(job, async (tx) => {
        // Whoever enqueues after a job waits for a transaction that completes it.
        await enqueued.opened;
        await complete(tx);
        inside.open();
        await seen.opened;
      }),
    );
    const client = open();
    const parent = await client.enqueue("work", null);
    const child = await client.enqueue("child", null, { after: [parent] });
    enqueued.open();
    const children = record(client.worker({ pollIntervalMs: 30_000, handlers: { child: () => undefined } }));
    await children.first("listen-restored");
    await inside.opened;
    expect(children.all("claimed")).toEqual([]);
    seen.open();
    expect((await children.first("succeeded")).job.id).toBe(child);
    await heard.first("succeeded");
  });

  it("rejects with LeaseLostError when the claim is gone, so that the effect is rolled back", async () => {
    const begun = gate();
    const stolen = gate();
    const thrown: unknown[] = [];
    const handler: Work = async (job, { complete }) => {
      if (job.attempt > 1) return inTransaction(job, complete);
      begun.open();
      await stolen.opened;
      return inTransaction(job, complete).catch((error: unknown) => {
        thrown.push(error);
        throw error;
      });
    };
    const heard = work(handler, { leaseDurationMs: 1_000 });
    const id = await open().enqueue("work", null);
    await begun.opened;
    // What a recovery does, behind the back of the worker: it has heard nothing yet.
    await database.pool.query("update millrace.workers set lease_expires_at = clock_timestamp()");
    await database.pool.query("select millrace.recover_claims(10)");
    stolen.open();
    await heard.first("lease-lost", ({ job }) => job.id === id);
    expect(thrown).toEqual([expect.any(LeaseLostError)]);
    await until(database.pool, "select from effect where attempt = 2");
    expect([await effects(), await count()]).toEqual([[2], 0]);
  });

  it("rejects when the transaction is broken, and the job is retried", async () => {
    const heard = work((job, { complete }) =>
      inTransaction(job, async (tx) => {
        if (job.attempt === 1) await tx.query("select 1 / 0").catch(() => undefined);
        await complete(tx);
      }),
    );
    await open().enqueue("work", null);
    expect((await heard.first("retry-scheduled")).error.message).toContain("current transaction is aborted");
    await heard.first("succeeded");
    expect([await effects(), await count()]).toEqual([[2], 0]);
  });

  it.each([
    ["what is no transaction", () => "tx"],
    ["a pool", () => database.pool],
  ])("is refused for %s", async (_, tx) => {
    const heard = work((_job, { complete }) => complete(tx()));
    await open().enqueue("work", null, { maxAttempts: 1 });
    const { error } = await heard.first("failed");
    expect(error.name).toBe("OptionError");
    expect(error.message).toContain(
      "Expected `tx` to be an open transaction with a query(text, values) method",
    );
  });
});
