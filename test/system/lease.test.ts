import { Observable, Subject, finalize } from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import { LeaseLostError, payload } from "../../src/index.ts";
import { gate, openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>(), other: payload<unknown>() };

function open(connectionString: string = database.connectionString) {
  return openClient({ connectionString, jobs });
}

/** A proxy before the database, and the address to reach it through. */
async function proxied(): Promise<TcpProxy & { readonly connectionString: string }> {
  const url = new URL(database.connectionString);
  const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  return { ...proxy, connectionString: url.href };
}

describe("a lease", () => {
  it("shorter than a second stands while it is renewed: a job that takes longer is not stolen", async () => {
    const leaseDurationMs = 800;
    const done = gate();
    const settings = { leaseDurationMs, pollIntervalMs: 20 };
    const client = open();
    const id = await client.enqueue("work", null);
    const owner = record(client.worker({ ...settings, handlers: { work: async () => done.opened } }));
    await owner.first("attempt-started");
    const thief = record(open().worker({ ...settings, handlers: { work: () => undefined } }));
    await thief.first("started");
    const RENEWED = `select from millrace.workers
      where lease_expires_at > registered_at + 4 * $1::int * interval '1 ms'`;
    await until(database.pool, RENEWED, [leaseDurationMs]);
    done.open();
    expect((await owner.first("succeeded")).job).toMatchObject({ id, attempt: 1 });
    expect(thief.all("claimed")).toEqual([]);
    expect([...owner.all("lease-recovered"), ...thief.all("lease-recovered")]).toEqual([]);
    expect([...owner.all("lease-expired"), ...thief.all("lease-expired")]).toEqual([]);
  });

  it("is looked after while the queue is never empty: an orphan comes back and is run", async () => {
    const client = open();
    const orphan = await client.enqueue("work", null);
    const dying = await open().spawnWorker({
      leaseDurationMs: 300,
      handlers: { work: () => new Promise(() => {}) },
    });
    await until(database.pool, "select from millrace.claimed");
    await dying.abort();
    await until(database.pool, "select from millrace.claimed where id = $1", [orphan]);

    const stocked = 30;
    await client.enqueueMany(
      Array.from({ length: stocked }, () => ({ kind: "other", payload: null }) as const),
    );
    let leastPending = Infinity;
    const busy = record(
      client.worker({
        concurrency: 2,
        handlers: {
          work: () => undefined,
          other: async () => {
            await client.enqueue("other", null);
            leastPending = Math.min(leastPending, await client.pendingCount());
          },
        },
      }),
    );
    expect(await busy.first("lease-recovered")).toMatchObject({
      count: 1,
      jobs: [{ id: orphan, attempt: 1 }],
    });
    expect((await busy.first("succeeded", ({ job }) => job.kind === "work")).job).toMatchObject({
      attempt: 2,
    });
    expect(leastPending).toBeGreaterThan(stocked / 2);
    busy.stop();
  });

  it("counts only attempts that had begun, where the worker was lost with prefetched jobs", async () => {
    const client = open();
    const [begun, held] = await client.enqueueMany(
      [1, 2].map((n) => ({ kind: "work", payload: n }) as const),
    );
    const dying = await open().spawnWorker({
      leaseDurationMs: 1_500,
      concurrency: 2,
      handlers: { work: () => new Promise(() => {}) },
    });
    await until(database.pool, "select from millrace.claimed having count(*) = 2");
    // As if the second had been claimed ahead: a claim marks only what begins at once.
    await database.pool.query("update millrace.claimed set started = false where id = $1", [held]);
    await dying.abort();
    const rescuer = record(client.worker({ handlers: { work: () => undefined } }));
    await rescuer.until(() => rescuer.all("succeeded").length === 2);
    const attempts = Object.fromEntries(rescuer.all("succeeded").map(({ job }) => [job.id, job.attempt]));
    expect(attempts).toEqual({ [String(begun)]: 2, [String(held)]: 1 });
  });
});

describe("a worker that is cut off from the database", () => {
  it.each<[string, (proxy: TcpProxy) => unknown]>([
    ["answers nothing", (proxy) => proxy.stall()],
    ["refuses connections", (proxy) => proxy.refuse()],
  ])("that %s fences itself by its own clock, and comes back as a new incarnation", async (_, cut) => {
    const proxy = await proxied();
    const reasons: unknown[] = [];
    let unsubscribed = 0;
    const heard = record(
      open(proxy.connectionString).worker({
        leaseDurationMs: 900,
        handlers: {
          work: (job, { signal }) => {
            if (job.attempt > 1) return undefined;
            signal.addEventListener("abort", () => reasons.push(signal.reason));
            return new Observable<never>().pipe(finalize(() => (unsubscribed += 1)));
          },
        },
      }),
    );
    const [id] = await open().enqueueMany([{ kind: "work", payload: null }]);
    const first = await heard.first("started");
    await heard.first("attempt-started");
    await cut(proxy);
    expect(await heard.first("lease-expired")).toMatchObject({ workerId: first.workerId });
    const { rows } = await database.pool.query<{ late: number }>(
      `select extract(epoch from clock_timestamp() - lease_expires_at)::float8 * 1000 as late
         from millrace.workers where id = $1`,
      [first.workerId],
    );
    // The database believes in the lease for as long, or longer: nobody else had the job before.
    expect(rows[0]?.late).toBeLessThan(500);
    expect((await heard.first("lease-lost")).job).toMatchObject({ id, attempt: 1 });
    expect(reasons).toEqual([expect.any(LeaseLostError)]);
    expect(unsubscribed).toBe(1);
    expect((await database.pool.query("select from millrace.claimed where attempt = 1")).rowCount).toBe(1);

    await proxy.pass();
    const second = await heard.first("started", ({ workerId }) => workerId !== first.workerId);
    expect(second).toEqual({ ...first, workerId: second.workerId });
    expect((await heard.first("succeeded")).job).toMatchObject({ id, attempt: 2 });
    expect(heard.all("lease-lost")).toHaveLength(1);
  });

  it("writes the outcome when a short outage is over, without a second attempt", async () => {
    const proxy = await proxied();
    const done = gate();
    const heard = record(
      open(proxy.connectionString).worker({
        leaseDurationMs: 30_000,
        handlers: { work: async () => done.opened },
      }),
    );
    const id = await open().enqueue("work", null);
    await heard.first("attempt-started");
    await proxy.refuse();
    done.open();
    expect(await heard.first("settle-failed")).toMatchObject({ count: 1 });
    await proxy.pass();
    expect((await heard.first("succeeded")).job).toMatchObject({ id, attempt: 1 });
  });

  it("ends without a word when its connections break while it closes them", async () => {
    const proxy = await proxied();
    const heard = record(open(proxy.connectionString).worker({ handlers: { work: () => undefined } }));
    await heard.first("listen-restored");
    proxy.stall();
    // The goodbyes are held back; a rejection that nobody handles would fail the run.
    heard.stop();
    await proxy.refuse();
    const SESSIONS =
      "select from pg_stat_activity where datname = current_database() and application_name like 'millrace%'";
    await until(database.pool, `select where not exists (${SESSIONS})`);
  });
});

describe("a worker whose thread was blocked for longer than its lease", () => {
  it("begins no attempt of what it claimed before, although its timers are late", async () => {
    const leaseDurationMs = 300;
    const client = open();
    const [blocker, other] = await client.enqueueMany(
      [1, 2].map((n) => ({ kind: "work", payload: n }) as const),
    );
    const heard = record(
      client.worker({
        leaseDurationMs,
        concurrency: 2,
        handlers: {
          work: (job) => {
            const from = performance.now();
            while (job.id === blocker && job.token === 1 && performance.now() - from < 3 * leaseDurationMs);
          },
        },
      }),
    );
    await heard.until(() => heard.all("succeeded").some(({ job }) => job.id === other));
    await heard.first("lease-expired");
    const expiredAt = heard.events.findIndex(({ type }) => type === "lease-expired");
    const begunAt = heard.events.findIndex(
      (event) => event.type === "attempt-started" && event.job.id === other,
    );
    expect(begunAt).toBeGreaterThan(expiredAt);
    expect(heard.all("succeeded").filter(({ job }) => job.id === other)).toHaveLength(1);
  });
});

describe("a worker whose statements fail", () => {
  it("reports claims, polls and outcomes that fail, tries again, and goes on when they do not any more", async () => {
    const wakeup$ = new Subject<void>();
    const done = gate();
    const client = open();
    const heard = record(
      client.worker({
        wakeup$,
        pollIntervalMs: 20,
        handlers: { work: async () => done.opened, other: () => undefined },
      }),
    );
    await client.enqueue("work", null);
    await heard.first("attempt-started");
    await database.pool.query("alter table millrace.pending rename to away");
    await database.pool.query("alter table millrace.claimed rename to away_too");
    try {
      done.open();
      wakeup$.next();
      expect(await heard.first("claim-failed")).toMatchObject({
        queue: "default",
        error: { name: "SchemaError" },
      });
      expect(await heard.first("poll-failed")).toMatchObject({ retryInMs: expect.any(Number) as unknown });
      expect(await heard.first("settle-failed")).toMatchObject({ count: 1 });
    } finally {
      await database.pool.query("alter table millrace.away rename to pending");
      await database.pool.query("alter table millrace.away_too rename to claimed");
    }
    await heard.first("succeeded");
    const id = await client.enqueue("other", null);
    await heard.first("succeeded", ({ job }) => job.id === id);
    expect(heard.all("started")).toHaveLength(1);
  });

  it("reports a recovery that fails, and recovers when it does not any more", async () => {
    const client = open();
    const orphan = await client.enqueue("work", null);
    const dying = await open().spawnWorker({
      leaseDurationMs: 300,
      handlers: { work: () => new Promise(() => {}) },
    });
    await until(database.pool, "select from millrace.claimed");
    await database.pool.query("alter function millrace.recover_claims(int) rename to away");
    try {
      await dying.abort();
      const heard = record(client.worker({ handlers: { work: () => undefined } }));
      expect((await heard.first("recovery-failed")).error.name).toBe("SchemaError");
      await database.pool.query("alter function millrace.away(int) rename to recover_claims");
      expect((await heard.first("lease-recovered")).jobs).toMatchObject([{ id: orphan }]);
      await heard.first("succeeded");
    } catch (error) {
      await database.pool
        .query("alter function if exists millrace.away(int) rename to recover_claims")
        .catch(() => {});
      throw error;
    }
  });
});
