import { of } from "rxjs";
import { describe, expect, it } from "vitest";
import { payload } from "../../src/index.ts";
import type { WorkerEvent } from "../../src/index.ts";
import { memoryLog, openClient } from "../support/client.ts";
import { usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>() };

const MARKER = "payload marker";

function open() {
  return openClient({ connectionString: database.connectionString, jobs });
}

/** Events of work: when LISTEN comes up is a matter of chance. */
function ofWork(events: readonly WorkerEvent[]): readonly WorkerEvent[] {
  return events.filter(({ type }) => type !== "listen-restored");
}

const AN_ERROR = { name: "Error", message: "no", stack: expect.any(String) as unknown };
const A_NUMBER = expect.any(Number) as unknown;

describe("the events of a worker", () => {
  it("tell the life of a job that succeeds, in order and with every field", async () => {
    const client = open();
    const id = await client.enqueue("work", MARKER, { source: "turn 1", queue: "mail", maxAttempts: 5 });
    const worker = await client.spawnWorker({
      queues: ["mail"],
      label: "w",
      handlers: { work: () => of(1, 2) },
    });
    const heard = record(worker.event$);
    await heard.first("succeeded");
    await worker.shutdown();
    await heard.ended;
    const job = { id, kind: "work", queue: "mail", source: "turn 1", attempt: 1, maxAttempts: 5 };
    expect(ofWork(heard.events)).toEqual([
      { type: "claimed", queue: "mail", count: 1 },
      { type: "attempt-started", job, waitMs: A_NUMBER },
      { type: "progress", job, value: 1 },
      { type: "progress", job, value: 2 },
      { type: "succeeded", job, durationMs: A_NUMBER, result: 2 },
      { type: "draining", running: 0 },
      { type: "drained" },
      { type: "exited", outcome: "drained" },
    ]);
    expect(JSON.stringify(heard.events)).not.toContain(MARKER);
  });

  it("tell the life of a job that fails, in order and with every field", async () => {
    const client = open();
    const id = await client.enqueue("work", MARKER, { maxAttempts: 2 });
    const heard = record(
      client.worker({
        backoff: { initialMs: 7, jitter: 0 },
        handlers: { work: async () => Promise.reject(new Error("no")) },
      }),
    );
    await heard.first("failed");
    const job = (attempt: number): unknown => ({
      id,
      kind: "work",
      queue: "default",
      source: undefined,
      attempt,
      maxAttempts: 2,
    });
    const [started, ...others] = ofWork(heard.events);
    expect(started?.type).toBe("started");
    expect(others).toEqual([
      { type: "claimed", queue: "default", count: 1 },
      { type: "attempt-started", job: job(1), waitMs: A_NUMBER },
      { type: "retry-scheduled", job: job(1), durationMs: A_NUMBER, delayMs: 7, error: AN_ERROR },
      { type: "claimed", queue: "default", count: 1 },
      { type: "attempt-started", job: job(2), waitMs: A_NUMBER },
      { type: "failed", job: job(2), durationMs: A_NUMBER, error: AN_ERROR },
    ]);
    expect(JSON.stringify(heard.events)).not.toContain(MARKER);
  });

  it("say succeeded only when that is written", async () => {
    const client = open();
    const heard = record(client.worker({ handlers: { work: () => undefined } }));
    await heard.first("started");
    const gone: Promise<number | null>[] = [];
    for (let n = 0; n < 20; n += 1) {
      const id = await client.enqueue("work", n);
      await heard.first("succeeded", ({ job }) => job.id === id);
      gone.push(
        database.pool.query("select from millrace.jobs where id = $1", [id]).then(({ rowCount }) => rowCount),
      );
    }
    expect(new Set(await Promise.all(gone))).toEqual(new Set([0]));
  });
});

describe("a subscriber", () => {
  it("that throws is told of the next event all the same, as are the others, and it is logged", async () => {
    const log = memoryLog("error");
    const client = openClient({ connectionString: database.connectionString, jobs, logger: log.logger });
    const worker = await client.spawnWorker({ handlers: { work: () => undefined } });
    let thrown = 0;
    worker.event$.subscribe(() => {
      thrown += 1;
      throw Object.assign(new Error("a subscriber of the app threw"), { told: MARKER });
    });
    const heard = record(worker.event$);
    await client.enqueueMany([1, 2, 3].map((n) => ({ kind: "work", payload: n }) as const));
    await heard.until(() => heard.all("succeeded").length === 3);
    await worker.shutdown();
    await heard.ended;
    expect(thrown).toBe(heard.events.length);
    expect(log.lines()).toHaveLength(thrown);
    expect(log.lines()[0]).toMatchObject({
      msg: "a subscriber of events threw",
      err: { type: "Error", message: "a subscriber of the app threw" },
    });
    expect(log.text()).not.toContain(MARKER);
  });

  it("that throws in an operator of its own ends alone", async () => {
    const client = open();
    const worker = await client.spawnWorker({ handlers: { work: () => undefined } });
    const heard = record(worker.event$);
    worker.event$.subscribe({
      next: () => {
        throw new Error("next");
      },
      complete: () => {
        throw new Error("complete");
      },
    });
    await client.enqueue("work", null);
    await heard.first("succeeded");
    expect(await worker.shutdown()).toMatchObject({ outcome: "drained" });
  });

  it("that is slow does not slow the worker, and is told how many events it missed", async () => {
    const count = 5_500;
    const client = open();
    const worker = await client.spawnWorker({ handlers: { work: () => undefined } });
    let handled = 0;
    let missedByOthers = 0;
    let succeeded = 0;
    const all = new Promise<void>((resolve) => {
      worker.event$.subscribe(({ type }) => {
        if (type === "events-dropped") missedByOthers += 1;
        if (type === "succeeded" && (succeeded += 1) === count) resolve();
      });
    });
    const dropped = new Promise<number>((resolve) => {
      const slow = worker.event$.subscribe((event) => {
        handled += 1;
        if (event.type === "events-dropped") {
          resolve(event.count);
          slow.unsubscribe();
        }
        const from = performance.now();
        while (performance.now() - from < 30);
      });
    });
    await client.enqueueMany(
      Array.from({ length: count }, (_, n) => ({ kind: "work", payload: n }) as const),
    );
    await all;
    expect(handled).toBeLessThan(count / 10);
    expect(await dropped).toBeGreaterThan(0);
    expect(missedByOthers).toBe(0);
  });
});
