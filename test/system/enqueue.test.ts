import { lastValueFrom } from "rxjs";
import { describe, expect, it } from "vitest";
import { ClosedError, payload, PayloadError } from "../../src/index.ts";
import type { JobOptions } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

/** So long that a test which passes did not wait for a poll. */
const NO_POLL_MS = 30_000;

const jobs = { greet: payload<{ readonly name: string }>(), other: payload<unknown>() };

function open() {
  return openClient({ connectionString: database.connectionString, jobs });
}

/** The rows of the view `jobs` in the order of ids. */
async function rows(columns: string): Promise<readonly unknown[]> {
  return (await database.pool.query(`select ${columns} from millrace.jobs j order by j.id`))
    .rows as unknown[];
}

describe("client.enqueue", () => {
  it("hands the payload to the handler of its kind, whose result is in the event", async () => {
    const client = open();
    const heard = record(
      client.worker({ handlers: { greet: async (job) => Promise.resolve(`Hello, ${job.payload.name}`) } }),
    );
    await heard.first("started");
    const id = await client.enqueue("greet", { name: "Ada" });
    expect(await heard.first("succeeded")).toMatchObject({
      job: { id, kind: "greet", queue: "default", source: undefined, attempt: 1, maxAttempts: 3 },
      result: "Hello, Ada",
    });
    expect(await rows("id")).toEqual([]);
  });

  it("writes a job with every default", async () => {
    const id = await open().enqueue("greet", { name: "Ada" });
    const columns =
      "id::text, state, kind, queue, payload, priority, attempt, max_attempts, source, timeout_ms, backoff";
    expect(await rows(`${columns}, run_at = created_at as now`)).toEqual([
      {
        id,
        state: "pending",
        kind: "greet",
        queue: "default",
        payload: { name: "Ada" },
        priority: 0,
        attempt: 0,
        max_attempts: 3,
        source: null,
        timeout_ms: null,
        backoff: null,
        now: true,
      },
    ]);
  });

  it.each<[string, JobOptions, string, unknown]>([
    ["queue", { queue: "mail" }, "queue", "mail"],
    ["priority", { priority: -7 }, "priority", -7],
    ["maxAttempts", { maxAttempts: 9 }, "max_attempts", 9],
    ["source", { source: "turn 42" }, "source", "turn 42"],
    ["timeoutMs", { timeoutMs: 1_500 }, "timeout_ms::int", 1_500],
    [
      "backoff",
      { backoff: { initialMs: 5 } },
      "backoff",
      { initialMs: 5, factor: 2, maxMs: 3_600_000, jitter: 0.5 },
    ],
    ["delayMs", { delayMs: 60_000 }, "extract(epoch from run_at - created_at)::int", 60],
    [
      "runAt",
      { runAt: new Date("2099-01-02T03:04:05.678Z") },
      "run_at",
      new Date("2099-01-02T03:04:05.678Z"),
    ],
    ["a delayed state", { delayMs: 60_000 }, "state", "scheduled"],
    ["a runAt in the past as now", { runAt: new Date(0) }, "state", "pending"],
  ])("keeps %s", async (_, options, column, value) => {
    await open().enqueue("greet", { name: "Ada" }, options);
    expect(await rows(`${column} as value`)).toEqual([{ value }]);
  });

  it("takes the attempts of the client for jobs that do not say", async () => {
    const client = openClient({ connectionString: database.connectionString, jobs, maxAttempts: 11 });
    await client.enqueue("greet", { name: "Ada" });
    await client.enqueue("greet", { name: "Bob" }, { maxAttempts: 2 });
    expect(await rows("max_attempts")).toEqual([{ max_attempts: 11 }, { max_attempts: 2 }]);
  });

  it("runs lower priorities first, and equal ones in the order of ids", async () => {
    const client = open();
    const order = [5, 0, -3, 5, -3, 0];
    const ids = await client.enqueueMany(
      order.map((priority) => ({ kind: "other", payload: null, priority })),
    );
    const heard = record(client.worker({ concurrency: 1, handlers: { other: () => undefined } }));
    await heard.until(() => heard.all("succeeded").length === order.length);
    const ran = heard.all("attempt-started").map(({ job }) => ids.indexOf(job.id));
    expect(ran).toEqual([2, 4, 1, 5, 0, 3]);
  });

  it("runs a delayed job when it is due, not at the next poll", async () => {
    const client = open();
    const heard = record(client.worker({ pollIntervalMs: NO_POLL_MS, handlers: { other: () => undefined } }));
    await heard.first("listen-restored");
    const sentAt = performance.now();
    await client.enqueue("other", null, { delayMs: 400 });
    const { waitMs } = await heard.first("attempt-started");
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(400);
    expect(waitMs).toBeLessThan(5_000);
  });

  it("leaves other queues to their own workers", async () => {
    const client = open();
    const [mail, letter] = await client.enqueueMany([
      { kind: "other", payload: 1, queue: "mail" },
      { kind: "other", payload: 2, queue: "letters" },
    ]);
    const mails = record(client.worker({ queues: ["mail"], handlers: { other: () => undefined } }));
    expect((await mails.first("succeeded")).job.id).toBe(mail);
    expect(await rows("id::text, state")).toEqual([{ id: letter, state: "pending" }]);
    const both = record(
      client.worker({ queues: { mail: 1, letters: 2 }, handlers: { other: () => undefined } }),
    );
    expect((await both.first("succeeded")).job).toMatchObject({ id: letter, queue: "letters" });
  });

  it("leaves a kind without a handler pending and untouched, while others run", async () => {
    const client = open();
    const unknown = await client.enqueue("greet", { name: "nobody" }, { priority: -1 });
    const known = await client.enqueue("other", null);
    const heard = record(
      client.worker({ concurrency: 1, pollIntervalMs: 20, handlers: { other: () => undefined } }),
    );
    expect((await heard.first("succeeded")).job.id).toBe(known);
    await client.enqueue("other", null);
    await heard.until(() => heard.all("succeeded").length === 2);
    expect(await rows("id::text, state, attempt, token")).toEqual([
      { id: unknown, state: "pending", attempt: 0, token: 0 },
    ]);
  });

  it("rejects after close", async () => {
    const client = open();
    const cold$ = client.worker({ handlers: { other: () => undefined } });
    await client.close();
    await expect(client.enqueue("other", null)).rejects.toThrow(ClosedError);
    await expect(client.spawnWorker({ handlers: { other: () => undefined } })).rejects.toThrow(ClosedError);
    await expect(lastValueFrom(cold$)).rejects.toThrow(ClosedError);
  });
});

describe("client.enqueue, many calls at once", () => {
  it("shares inserts, and each call gets the id of its own job", async () => {
    const client = open();
    const numbers = Array.from({ length: 500 }, (_, number) => number);
    const ids = await Promise.all(numbers.map((number) => client.enqueue("other", { number })));
    expect(new Set(ids).size).toBe(numbers.length);
    const written = await database.pool.query<{ id: string; number: number }>(
      "select id::text, (payload->>'number')::int as number from millrace.pending",
    );
    const byId = new Map(written.rows.map(({ id, number }) => [id, number]));
    expect(ids.map((id) => byId.get(id))).toEqual(numbers);
    const { rows: counted } = await database.pool.query<{ inserts: number }>(
      "select count(distinct xmin::text)::int as inserts from millrace.pending",
    );
    expect(counted[0]?.inserts).toBeLessThan(50);
  });

  it("refuses a bad payload before it joins the others", async () => {
    const client = open();
    const payloads = [1, 2, "a NUL \u0000", 3, 10n, "half a pair \ud800", 4];
    const ends = await Promise.allSettled(payloads.map((value) => client.enqueue("other", value)));
    expect(ends.map(({ status }) => status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
      "rejected",
      "rejected",
      "fulfilled",
    ]);
    const reasons = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : []));
    expect(reasons.every((reason) => reason instanceof PayloadError)).toBe(true);
    expect(await rows("payload")).toEqual([{ payload: 1 }, { payload: 2 }, { payload: 3 }, { payload: 4 }]);
  });
});

describe("client.enqueueMany", () => {
  it("answers with the ids in the order of the jobs", async () => {
    const names = ["Ada", "Bob", "Eve"];
    const ids = await open().enqueueMany(names.map((name) => ({ kind: "greet", payload: { name } })));
    expect(await rows("id::text, payload->>'name' as name")).toEqual(
      ids.map((id, index) => ({ id, name: names[index] })),
    );
  });

  it("writes nothing for an empty array", async () => {
    expect(await open().enqueueMany([])).toEqual([]);
  });

  it("writes none when one is refused before it is sent", async () => {
    const mixed = [
      { kind: "other" as const, payload: 1 },
      { kind: "other" as const, payload: Symbol("no JSON") },
    ];
    await expect(open().enqueueMany(mixed)).rejects.toThrow(PayloadError);
    expect(await rows("id")).toEqual([]);
  });

  it("writes none when Postgres refuses one", async () => {
    await database.pool.query(
      "alter table millrace.pending add constraint no_poison check (source <> 'poison')",
    );
    try {
      const enqueued = open().enqueueMany([
        { kind: "other", payload: 1, source: "fine" },
        { kind: "other", payload: { secret: "payload marker" }, source: "poison" },
      ]);
      await expect(enqueued).rejects.toThrow("a value was refused by no_poison (23514)");
      await enqueued.catch((error: unknown) => expect(String(error)).not.toContain("payload marker"));
      expect(await rows("id")).toEqual([]);
    } finally {
      await database.pool.query("alter table millrace.pending drop constraint no_poison");
    }
  });
});

describe("after", () => {
  const failing = { greet: () => Promise.reject(new Error("no")), other: () => undefined };

  it("runs a job when all those that it waits for have succeeded, without a poll", async () => {
    const client = open();
    const parents = await client.enqueueMany([1, 2, 3].map((n) => ({ kind: "other" as const, payload: n })));
    const child = await client.enqueue("greet", { name: "child" }, { after: parents });
    expect(await rows("id::text, state")).toContainEqual({ id: child, state: "waiting" });
    const handlers = { other: () => undefined, greet: () => undefined };
    const heard = record(client.worker({ pollIntervalMs: NO_POLL_MS, handlers }));
    await heard.first("succeeded", ({ job }) => job.id === child);
    expect(
      heard
        .all("succeeded")
        .map(({ job }) => job.id)
        .at(-1),
    ).toBe(child);
  });

  it("counts an id that is gone as succeeded", async () => {
    const client = open();
    const parent = await client.enqueue("other", null);
    await client.cancel(parent);
    await client.deleteFailed(parent);
    const child = await client.enqueue("other", null, { after: [parent] });
    expect(await rows("id::text, state")).toEqual([{ id: child, state: "pending" }]);
  });

  it("refuses an id that no job has had, and nothing that is enqueued beside it", async () => {
    const client = open();
    const parent = await client.enqueue("other", null);
    const stranger = "9223372036854775807";
    const calls = await Promise.allSettled([
      client.enqueue("other", 0, { after: [parent] }),
      client.enqueue("other", 1, { after: [parent, stranger] }),
      client.enqueue("other", 2, { after: [parent] }),
      client.enqueue("other", 3, { after: ["9223372036854775806"] }),
      client.enqueue("other", 4, { key: "four" }),
    ]);
    const refused = (id: string): object => ({
      status: "rejected",
      reason: {
        name: "OptionError",
        message: `Expected \`after\` to hold ids of jobs that were enqueued before, got ${id}`,
      },
    });
    const written = { status: "fulfilled" };
    expect(calls).toMatchObject([
      written,
      refused(stranger),
      written,
      refused("9223372036854775806"),
      written,
    ]);
    expect(await rows("payload")).toEqual([null, 0, 2, 4].map((value) => ({ payload: value })));
    const values = ["other", "1", `{${stranger}}`];
    await expect(database.pool.query("select millrace.enqueue($1, $2, after => $3)", values)).rejects.toThrow(
      `were enqueued before, got ${stranger}`,
    );
  });

  it("waits where a parent failed for good, and runs when a retry of it succeeds", async () => {
    const client = open();
    const parent = await client.enqueue("greet", { name: "parent" }, { maxAttempts: 1 });
    const child = await client.enqueue("other", null, { after: [parent], afterFailure: "wait" });
    let broken = true;
    const greet = () => (broken ? Promise.reject(new Error("no")) : undefined);
    const heard = record(client.worker({ handlers: { greet, other: () => undefined } }));
    await heard.first("failed");
    expect(await rows("id::text, state")).toEqual([
      { id: parent, state: "failed" },
      { id: child, state: "waiting" },
    ]);
    broken = false;
    expect(await client.retryJob(parent)).toBe(true);
    expect((await heard.first("succeeded", ({ job }) => job.id === child)).job.attempt).toBe(1);
  });

  it("runs where a parent failed for good, with afterFailure run", async () => {
    const client = open();
    const parent = await client.enqueue("greet", { name: "parent" }, { maxAttempts: 1 });
    const child = await client.enqueue("other", null, { after: [parent], afterFailure: "run" });
    const heard = record(client.worker({ handlers: failing }));
    await heard.first("succeeded", ({ job }) => job.id === child);
    expect(heard.all("failed").map(({ job }) => job.id)).toEqual([parent]);
  });

  it("fails where a parent failed for good, with afterFailure fail, and says why", async () => {
    const client = open();
    const parent = await client.enqueue("greet", { name: "parent" }, { maxAttempts: 1 });
    const child = await client.enqueue("other", null, { after: [parent], afterFailure: "fail" });
    const heard = record(client.worker({ handlers: failing }));
    await heard.first("failed");
    await until(database.pool, "select from millrace.failed where id = $1", [child]);
    const failed = await client.listFailed();
    expect(failed.find(({ id }) => id === child)?.reason).toBe(`Job ${parent}, which it waits for, failed`);
  });
});
