import { NEVER } from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import { payload } from "../../src/index.ts";
import { startWorker } from "../support/child.ts";
import type { Deed } from "../support/children/worker.ts";
import { memoryLog, openClient } from "../support/client.ts";
import type { MemoryLog } from "../support/client.ts";
import { openBench } from "../postgres/store-bench.ts";
import { usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>() };

function open(log: MemoryLog, connectionString: string = database.connectionString) {
  return openClient({ connectionString, jobs, logger: log.logger });
}

/** What must never stand in a line. */
const SECRETS = ["payload marker", "result marker", "progress marker"];

const LEVELS: Readonly<Record<number, string>> = { 20: "debug", 30: "info", 40: "warn", 50: "error" };

describe("the log", () => {
  it("has a line for each event of a job, with its id, kind, source, attempt and worker, and no payload", async () => {
    const log = memoryLog();
    const client = open(log);
    const id = await client.enqueue("work", { text: "payload marker" }, { source: "turn 7", maxAttempts: 2 });
    const heard = record(
      client.worker({
        label: "w1",
        backoff: { initialMs: 1 },
        handlers: {
          work: (job) => {
            if (job.attempt === 1) throw new Error("no luck");
            return ["progress marker", "result marker"];
          },
        },
      }),
    );
    await heard.first("succeeded");
    const about = log.lines().filter(({ jobId }) => jobId === id);
    const job = { worker: "w1", jobId: id, kind: "work", queue: "default", source: "turn 7" };
    expect(about.map(({ level, event, attempt }) => [LEVELS[Number(level)], event, attempt])).toEqual([
      ["debug", "attempt-started", 1],
      ["warn", "retry-scheduled", 1],
      ["debug", "attempt-started", 2],
      ["debug", "progress", 2],
      ["debug", "progress", 2],
      ["debug", "succeeded", 2],
    ]);
    for (const line of about) expect(line).toMatchObject(job);
    expect(about[1]).toMatchObject({
      err: { type: "Error", message: "no luck" },
      durationMs: expect.any(Number) as unknown,
    });
    expect(about[5]).toMatchObject({ durationMs: expect.any(Number) as unknown });
    expect(log.lines().find(({ event }) => event === "started")).toMatchObject({
      level: 30,
      leaseDurationMs: 60_000,
      maxAttempts: 3,
    });
    const { password } = new URL(database.connectionString);
    for (const secret of [...SECRETS, password].filter((text) => text !== ""))
      expect(log.text()).not.toContain(secret);
  });

  it("has an error for a job that failed for good, and an info for the end of the worker", async () => {
    const log = memoryLog("info");
    const client = open(log);
    await client.enqueue("work", null, { maxAttempts: 1 });
    const worker = await client.spawnWorker({
      handlers: { work: async () => Promise.reject(new Error("no luck")) },
    });
    await record(worker.event$).first("failed");
    await worker.shutdown();
    const lines = log.lines().map(({ level, event }) => [LEVELS[Number(level)], event]);
    expect(lines.filter(([, event]) => event !== "listen-restored")).toEqual([
      ["info", "started"],
      ["error", "failed"],
      ["info", "draining"],
      ["info", "drained"],
      ["info", "exited"],
    ]);
  });

  it("says which jobs were recovered, which were interrupted, and how the worker ended", async () => {
    const dead = await openBench(database);
    const id = await dead.add({ kind: "work" });
    const deadId = await dead.worker();
    await dead.claim(deadId, { kinds: ["work"] });
    await dead.expireLease(deadId);

    const log = memoryLog();
    const worker = await open(log).spawnWorker({
      label: "w3",
      drainTimeoutMs: 20,
      handlers: { work: () => NEVER },
    });
    const heard = record(worker.event$);
    await Promise.all([heard.first("attempt-started"), heard.first("lease-recovered")]);
    await worker.shutdown();
    const lineOf = (event: string): unknown => log.lines().find((line) => line["event"] === event);
    expect(lineOf("lease-recovered")).toMatchObject({ level: 40, worker: "w3", count: 1, jobIds: [id] });
    expect(lineOf("drain-timed-out")).toMatchObject({ level: 40, worker: "w3", jobIds: [id] });
    expect(lineOf("exited")).toMatchObject({ level: 30, worker: "w3", outcome: "timeout" });
  });

  it("of a handler knows its job, however the handlers take turns", async () => {
    const log = memoryLog();
    const client = open(log);
    const count = 20;
    const heard = record(
      client.worker({
        label: "w2",
        concurrency: count,
        handlers: {
          work: async (job, context) => {
            for (let turn = 0; turn < 3; turn += 1) {
              context.log.info({ expected: job.id, turn }, "taking a turn");
              await database.pool.query("select 1");
            }
          },
        },
      }),
    );
    await client.enqueueMany(
      Array.from({ length: count }, (_, n) => ({ kind: "work", payload: n, source: `n ${n}` }) as const),
    );
    await heard.until(() => heard.all("succeeded").length === count);
    const lines = log.lines().filter(({ msg }) => msg === "taking a turn");
    expect(lines).toHaveLength(3 * count);
    expect(lines.every((line) => line["jobId"] === line["expected"])).toBe(true);
    expect(lines[0]).toMatchObject({
      worker: "w2",
      kind: "work",
      attempt: 1,
      source: expect.stringMatching(/^n \d+$/u) as unknown,
    });
    expect(new Set(lines.map(({ jobId }) => jobId)).size).toBe(count);
  });

  it("of an outage is one warning for all that fails, however often it does", async () => {
    const url = new URL(database.connectionString);
    const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    url.port = String(proxy.port);
    const log = memoryLog();
    const heard = record(
      open(log, url.href).worker({
        leaseDurationMs: 900,
        pollIntervalMs: 20,
        handlers: { work: () => undefined },
      }),
    );
    await heard.first("listen-restored");
    await proxy.refuse();
    const failures = (): number => heard.events.filter((event) => "retryInMs" in event).length;
    await heard.until(() => failures() >= 12 && heard.all("start-failed").length >= 3);
    const warnings = log.lines().filter(({ level }) => level === 40);
    const kinds = warnings.map(({ event }) => String(event));
    expect(kinds.filter((kind) => kind.endsWith("-failed"))).toHaveLength(1);
    expect(new Set(kinds).size).toBe(kinds.length);
    const repeated = log
      .lines()
      .filter(({ level, event }) => level === 20 && String(event).endsWith("-failed"));
    expect(repeated.length).toBeGreaterThanOrEqual(11);
    expect(kinds).toContain("listen-lost");
    const said = (words: string): number =>
      log.lines().filter(({ level, msg }) => Number(level) >= 30 && String(msg).startsWith(words)).length;
    expect(said("Postgres cannot be reached: ")).toBe(1);
    await proxy.pass();
    await heard.until((events) => events.findLastIndex(({ type }) => type === "started") > 1);
    await heard.until((events) => events.findLastIndex(({ type }) => type === "listen-restored") > 2);
    expect(said("Postgres answers again: ")).toBe(1);
    expect(log.text()).not.toContain(url.password);
  });
});

describe("logger", () => {
  it.each([
    ["false is silent", false, 0],
    ["undefined writes JSON to stdout, from level info", true, 1],
  ])("%s", async (_, logs, least) => {
    const worker = await startWorker({ connectionString: database.connectionString, logs, signals: true });
    const client = openClient({
      connectionString: database.connectionString,
      jobs: { deed: payload<Deed>() },
    });
    await client.enqueue("deed", "succeed");
    await worker.event("succeeded");
    worker.kill("SIGTERM");
    expect(await worker.ended()).toBe(0);
    const logged = worker.logged();
    if (least === 0) expect(logged).toEqual([]);
    else
      expect(logged.map(({ event }) => event)).toEqual(
        expect.arrayContaining(["started", "draining", "exited"]),
      );
    expect(logged.filter(({ level }) => Number(level) < 30)).toEqual([]);
    expect(worker.errors()).toBe("");
  });
});
