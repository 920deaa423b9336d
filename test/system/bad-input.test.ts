import { describe, expect, it } from "vitest";
import { createClient, payload } from "../../src/index.ts";
import type { JobOptions } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>() };
const SECRET = "hunter2";

/** Hands a value to a call that would not take it, as JavaScript would. */
function as<T>(value: unknown): T {
  return value as T;
}

function throwing(call: () => unknown): { readonly name: string; readonly message: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("Expected the call to throw");
}

describe("createClient", () => {
  const connectionString = "postgres://user:pass@127.0.0.1:1/db";

  it.each<[string, unknown, string]>([
    ["no options", undefined, "client options"],
    ["no connection", { jobs }, "either `connectionString` or `pool`"],
    ["both connections", { jobs, connectionString, pool: { connect() {}, options: {} } }, "got both or none"],
    ["another scheme", { jobs, connectionString: `mysql://u:${SECRET}@h/d` }, "`connectionString`"],
    ["half a URL", { jobs, connectionString: `postgres://u:${SECRET}@[h/d` }, "`connectionString`"],
    ["a number", { jobs, connectionString: 5432 }, "`connectionString`"],
    ["a pool that is none", { jobs, pool: {} }, "`pool`"],
    ["an unknown option", { jobs, connectionString, scheme: "x" }, 'Unknown option "scheme"'],
    ["an empty schema", { jobs, connectionString, schema: "" }, "`schema`"],
    ["a schema of 64 bytes", { jobs, connectionString, schema: "x".repeat(64) }, "63 bytes"],
    ["a schema of the system", { jobs, connectionString, schema: "pg_jobs" }, "pg_"],
    ["a schema with NUL", { jobs, connectionString, schema: "a\u0000b" }, "`schema`"],
    ["no jobs", { connectionString }, "`jobs`"],
    ["a kind without a schema", { connectionString, jobs: { work: {} } }, "`jobs.work`"],
    ["an empty kind", { connectionString, jobs: { "": payload() } }, "`kind`"],
    ["no attempts", { jobs, connectionString, maxAttempts: 0 }, "`maxAttempts`"],
    [
      "a time for all results",
      { jobs, connectionString, keepResultMs: 5 },
      "Expected `keepResultMs` to be an object of kinds",
    ],
    [
      "a kind that nobody registered",
      { jobs, connectionString, keepResultMs: { wrok: 5 } },
      'Unknown kind "wrok"',
    ],
    [
      "no time for results",
      { jobs, connectionString, keepResultMs: { work: 0 } },
      "Expected `keepResultMs.work` to be a number of milliseconds from 1",
    ],
    ["a logger that is none", { jobs, connectionString, logger: true }, "`logger`"],
  ])("refuses %s", (_what, options, words) => {
    const error = throwing(() => createClient(as<never>(options)));
    expect(error.name).toBe("OptionError");
    expect(error.message).toContain(words);
    expect(error.message).not.toContain(SECRET);
  });
});

describe("enqueue", () => {
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;

  it.each<[string, unknown, string]>([
    ["undefined", undefined, "payload is undefined"],
    ["a BigInt", { n: 1n }, "payload.n is a bigint"],
    ["a cycle", cycle, "cycle"],
    ["NUL", { a: ["x\u0000"] }, "payload.a[0] is a text with a NUL"],
    ["NUL in a key", { "x\u0000": 1 }, "NUL"],
    ["a lone surrogate", { a: "\ud800" }, "lone surrogate"],
    ["NaN", [Number.NaN], "payload[0] is NaN"],
    ["a Map", new Map(), "an instance of a class"],
    ["a function", { f: () => 1 }, "payload.f is a function"],
    ["too much", "x".repeat(1_100_000), "at most 1048576 bytes"],
  ])("refuses a payload that is %s before anything is written", async (_what, given, words) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    const neighbour = client.enqueue("work", { good: true });
    const refused = client.enqueue("work", given);
    await expect(refused).rejects.toThrow(words);
    await expect(refused).rejects.toMatchObject({ name: "PayloadError" });
    await neighbour;
    expect(await client.pendingCount()).toBe(1);
  });

  it.each<[string, unknown, string]>([
    ["an unknown option", { delay: 5 }, 'Unknown option "delay"'],
    ["a delay as text", { delayMs: "5s" }, "`delayMs`"],
    ["a delay below 0", { delayMs: -1 }, "`delayMs`"],
    ["a runAt that is no date", { runAt: "tomorrow" }, "`runAt`"],
    ["an invalid date", { runAt: new Date("nope") }, "an invalid Date"],
    ["both times", { runAt: new Date(), delayMs: 5 }, "got both"],
    ["half a priority", { priority: 0.5 }, "`priority`"],
    ["too high a priority", { priority: 40_000 }, "-32768 to 32767"],
    ["no attempts", { maxAttempts: 0 }, "`maxAttempts`"],
    ["an empty queue", { queue: " " }, "`queue`"],
    ["a source with NUL", { source: "a\u0000" }, "`source`"],
    ["an id that is none", { after: ["x"] }, "`after`"],
    ["an id beyond int8", { after: ["9223372036854775808"] }, "`after`"],
    ["an unknown policy", { afterFailure: "ignore" }, "`afterFailure`"],
    ["an unknown member of a policy", { backoff: { initial: 5 } }, 'Unknown option "initial"'],
    ["a jitter above 1", { backoff: { jitter: 2 } }, "`jitter`"],
    ["a transaction that is none", { tx: {} }, "`tx`"],
  ])("refuses %s", async (_what, options, words) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    await expect(client.enqueue("work", 1, as<JobOptions>(options))).rejects.toThrow(words);
    await expect(
      client.enqueueMany([as({ kind: "work", payload: 1 }), as({ kind: "wrok", payload: 1 })]),
    ).rejects.toThrow('Unknown kind "wrok"');
    expect(await client.pendingCount()).toBe(0);
  });

  it.each<[string, unknown, string]>([
    ["null", null, "Expected `job options` to be an object, got null"],
    ["a number", 5, "Expected `job options` to be an object, got a number"],
    ["an array", [], "Expected `job options` to be an object, got an array of 0"],
    ["a misspelt transaction", { txn: {} }, 'Unknown option "txn" (string) in the job options'],
    ["no transaction at all", { tx: null }, "Expected `tx` to be an open transaction"],
  ])("refuses options that are %s", async (_what, options, words) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    await expect(client.enqueue("work", 1, as<JobOptions>(options))).rejects.toThrow(words);
    expect(await client.pendingCount()).toBe(0);
  });

  it.each<[string, unknown, unknown, string]>([
    ["no array", { kind: "work", payload: 1 }, {}, "Expected `jobs` to be an array, got an object"],
    [
      "null among the jobs",
      [{ kind: "work", payload: 1 }, null],
      {},
      "Expected `jobs[1]` to be an object, got null",
    ],
    ["a text among the jobs", ["work"], {}, "Expected `jobs[0]` to be an object, got a text of 4 characters"],
    [
      "an unknown option",
      [{ kind: "work", payload: 1, delay: 5 }],
      {},
      'Unknown option "delay" (string) in the jobs[0]',
    ],
    [
      "a transaction in a job",
      [{ kind: "work", payload: 1, tx: {} }],
      {},
      'Unknown option "tx" (string) in the jobs[0]',
    ],
    [
      "a misspelt transaction",
      [{ kind: "work", payload: 1 }],
      { txn: {} },
      'Unknown option "txn" (string) in the target',
    ],
    ["a transaction that is none", [], { tx: 5 }, "Expected `tx` to be an open transaction"],
    ["null for the target", [], null, "Expected `target` to be an object, got null"],
  ])("of many refuses %s", async (_what, given, target, words) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    await expect(client.enqueueMany(as(given), as(target))).rejects.toThrow(words);
    expect(await client.pendingCount()).toBe(0);
  });

  it("refuses a pool as a transaction: each of its queries commits by itself", async () => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    const options = { tx: database.pool };
    const words = "(a client of a pool, not the pool)";
    await expect(client.enqueue("work", 1, options)).rejects.toThrow(words);
    await expect(client.enqueueOnce("work", 1, { ...options, key: "a" })).rejects.toThrow(words);
    await expect(client.enqueueMany([{ kind: "work", payload: 1 }], options)).rejects.toThrow(words);
    expect(await client.pendingCount()).toBe(0);
  });

  it("refuses a text as a source of jobs", () => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    const error = throwing(() => client.enqueueEach("work")("names"));
    expect(error.message).toContain("Expected `source` to be an Observable, or an iterable");
  });

  it("takes half a millisecond of a duration without failing the jobs beside it", async () => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    const all = [
      client.enqueue("work", 1),
      client.enqueue("work", 2, { timeoutMs: 1.5, keepResultMs: 1.5 }),
      client.enqueue("work", 3),
    ];
    await Promise.all(all);
    const { rows } = await database.pool.query("select timeout_ms::int from millrace.pending order by id");
    expect(rows).toEqual([{ timeout_ms: null }, { timeout_ms: 2 }, { timeout_ms: null }]);
  });

  it("refuses a kind that every object has as a member", async () => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    await expect(client.enqueue(as<"work">("constructor"), 1)).rejects.toThrow('Unknown kind "constructor"');
  });

  it("refuses calls after close", async () => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    await client.close();
    await expect(client.enqueue("work", 1)).rejects.toMatchObject({ name: "ClosedError" });
  });
});

describe("worker and spawnWorker", () => {
  const handlers = { work: () => undefined };

  it.each<[string, unknown, string]>([
    ["an unknown option", { handlers, concurency: 5 }, 'Unknown option "concurency"'],
    ["no handlers", {}, "`handlers`"],
    ["an empty set of handlers", { handlers: {} }, "at least one handler"],
    ["a handler of an unknown kind", { handlers: { wrok: () => undefined } }, 'Unknown kind "wrok"'],
    ["a handler that is none", { handlers: { work: 5 } }, "`handlers.work`"],
    ["no slots", { handlers, concurrency: 0 }, "Expected `concurrency` to be an integer from 1"],
    ["a lease in words", { handlers, leaseDurationMs: "60s" }, "`leaseDurationMs`"],
    ["a lease too short", { handlers, leaseDurationMs: 5 }, "from 100"],
    ["a poll too short", { handlers, pollIntervalMs: 1 }, "`pollIntervalMs`"],
    ["no queues", { handlers, queues: [] }, "at least one queue"],
    ["a queue twice", { handlers, queues: ["a", "a"] }, "named twice"],
    ["a queue without slots", { handlers, queues: { a: 0 } }, "`queues.a`"],
    ["an empty label", { handlers, label: "" }, "`label`"],
    ["a wake-up that is none", { handlers, wakeup$: 5 }, "`wakeup$`"],
    ["a drain below 0", { handlers, drainTimeoutMs: -1 }, "`drainTimeoutMs`"],
  ])("refuse %s", async (_what, options, words) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    expect(throwing(() => client.worker(as(options))).message).toContain(words);
    const spawned = client.spawnWorker(as(options));
    await expect(spawned).rejects.toThrow(words);
    await expect(spawned).rejects.toMatchObject({ name: "OptionError" });
    const { rows } = await database.pool.query("select from millrace.workers");
    expect(rows).toHaveLength(0);
  });

  it("refuse a wrong password at once and without showing it", async () => {
    const url = new URL(database.connectionString);
    url.password = SECRET;
    const client = openClient({ connectionString: url.href, jobs });
    const spawned = client.spawnWorker({ handlers });
    await expect(spawned).rejects.toMatchObject({ code: "28P01" });
    await expect(spawned).rejects.not.toThrow(SECRET);
  });
});

describe("the operators' calls", () => {
  it.each([0, -1, 1.5, 10_001, "5"])("refuse to list %j jobs", async (limit) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    await expect(client.listFailed(as(limit))).rejects.toThrow("`limit`");
  });

  it.each(["", "x", "1.5", "-1", 5, "9223372036854775808"])("refuse the id %j", async (id) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    await expect(client.retryJob(as(id))).rejects.toThrow("`id`");
    await expect(client.deleteFailed(as(id))).rejects.toThrow("`id`");
  });

  it.each<[string, unknown, unknown, string]>([
    ["a kind that is no text", 5, {}, "Unknown kind 5 (number): the client's `jobs` has work"],
    ["a kind that nobody registered", "wrok", {}, 'Unknown kind "wrok" (string)'],
    [
      "a dry run in words",
      "work",
      { dryRun: "no" },
      'Expected `dryRun` to be true or false, got "no" (string)',
    ],
    [
      "a misspelt dry run",
      "work",
      { dryrun: true },
      'Unknown option "dryrun" (string) in the bulkRetry options',
    ],
    ["null for its options", "work", null, "Expected `bulkRetry options` to be an object, got null"],
  ])("refuse to retry with %s, and move nothing", async (_what, kind, options, words) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    await expect(client.bulkRetry(as(kind), as(options))).rejects.toThrow(words);
  });

  it.each<[string, unknown, string]>([
    ["a queue with NUL", { queue: "a\u0000" }, "Expected `queue` to be a text of 1 to 200 characters"],
    ["a queue without a name", { queue: "" }, "Expected `queue` to be a text of 1 to 200 characters"],
    ["half a letter for a source", { source: "\ud800" }, "Expected `source` to be a text of 1 to 200"],
    ["a kind that nobody registered", { kind: "wrok" }, 'Unknown kind "wrok" (string)'],
  ])("refuse to cancel %s", async (_what, which, words) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    const cancelled = client.cancel(as(which));
    await expect(cancelled).rejects.toThrow(words);
    await expect(cancelled).rejects.toMatchObject({ name: "OptionError" });
  });

  it("take ids beyond 2^53 as they are", async () => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    expect(await client.retryJob("9007199254740993")).toBe(false);
  });
});

describe("events", () => {
  it.each<[string, unknown, string]>([
    ["a source with NUL", { source: "a\u0000" }, "Expected `source` to be a text of 1 to 200 characters"],
    ["half a letter in a queue", { queues: ["\ud800"] }, "Expected `queues` to be an array of names"],
    ["a kind that nobody registered", { kinds: ["work", "wrok"] }, 'Unknown kind "wrok" (string)'],
  ])("refuses %s, which would make all others deaf", (_what, options, words) => {
    const client = openClient({ connectionString: database.connectionString, jobs });
    const error = throwing(() => client.events(as<never>(options)));
    expect(error).toMatchObject({ name: "OptionError", message: expect.stringContaining(words) });
  });
});
