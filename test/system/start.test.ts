import { hostname } from "node:os";
import { randomUUID } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { DEFAULTS, payload, SchemaError } from "../../src/index.ts";
import type { Client } from "../../src/index.ts";
import { grantsSql } from "../../src/postgres/grants.ts";
import { openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>() };
const handlers = { work: () => undefined };

type Jobs = typeof jobs;

function open(options: { readonly connectionString?: string; readonly schema?: string } = {}): Client<Jobs> {
  return openClient({ connectionString: database.connectionString, jobs, ...options });
}

/** Drops a schema when the test is over. */
function dropLater(quoted: string): void {
  onTestFinished(async () => {
    await database.pool.query(`drop schema ${quoted} cascade`);
  });
}

/** The address of the database for another user. */
function urlFor(user: string, password: string): string {
  const url = new URL(database.connectionString);
  url.username = user;
  url.password = password;
  return url.href;
}

describe("a worker that starts", () => {
  it("has the defaults of the first system, and says them", async () => {
    const heard = record(open().worker({ handlers }));
    expect(await heard.first("started")).toEqual({
      type: "started",
      workerId: expect.stringMatching(/^\d+$/u) as unknown,
      label: `${hostname()}-${process.pid}`,
      queues: ["default"],
      kinds: ["work"],
      concurrency: 10,
      pollIntervalMs: 1_000,
      leaseDurationMs: 60_000,
      maxAttempts: 3,
    });
    expect(DEFAULTS).toMatchObject({ drainTimeoutMs: 30_000, maxAttempts: 3 });
  });

  it("has what it was told, and its label stands with each claim", async () => {
    const settings = {
      label: "the little one",
      queues: { mail: 2, letters: 1 },
      pollIntervalMs: 500,
      leaseDurationMs: 5_000,
    };
    const client = openClient({ connectionString: database.connectionString, jobs, maxAttempts: 7 });
    const heard = record(client.worker({ ...settings, handlers: { work: () => new Promise(() => {}) } }));
    expect(await heard.first("started")).toMatchObject({
      ...settings,
      queues: ["mail", "letters"],
      concurrency: 3,
      maxAttempts: 7,
    });
    await client.enqueue("work", null, { queue: "letters" });
    await heard.first("attempt-started");
    const { rows } = await database.pool.query(
      "select state, claimed_by, claimed_at <= now() as past from millrace.jobs",
    );
    expect(rows).toEqual([{ state: "claimed", claimed_by: "the little one", past: true }]);
  });

  it("tells that notifications arrive, also when they do before it is registered", async () => {
    const blocker = await database.pool.connect();
    onTestFinished(() => blocker.release(true));
    await blocker.query("begin; lock table millrace.workers in share mode");
    const heard = record(open().worker({ handlers }));
    const NONCE_SENT = `select from pg_stat_activity where datname = current_database() and state = 'idle'
      and application_name like 'millrace work%' and query like '%pg_notify%'`;
    await until(database.pool, NONCE_SENT);
    await blocker.query("commit");
    await heard.first("started");
    await heard.first("listen-restored");
    expect(heard.all("listen-restored")).toHaveLength(1);
  });
});

describe("a schema that does not fit", () => {
  const RUN = "run `await client.migrate()` or `npx millrace migrate`";

  /** The ways to start on a schema, each with what it rejects with. */
  async function ends(schema: string): Promise<readonly unknown[]> {
    const client = open({ schema });
    const reason = (thrown: unknown): unknown => thrown;
    return Promise.all([
      client.spawnWorker({ handlers }).catch(reason),
      record(client.worker({ handlers })).ended.catch(reason),
    ]);
  }

  it.each<[string, string, string, string]>([
    ["is missing", "", "", `The schema "missing" holds no tables of millrace: ${RUN}`],
    ["is there and empty", "empty", "", `The schema "empty" holds no tables of millrace: ${RUN}`],
    [
      "is older",
      "older",
      "delete from older.migrations where version > 1",
      `The schema "older" is at version 1, this millrace needs `,
    ],
    [
      "is newer than this library may work with",
      "newer",
      "insert into newer.migrations (version, name, min_version) values (99, 'from the future', 99)",
      'The schema "newer" is at version 99, made by a newer millrace, which needs libraries of version 99 or newer',
    ],
  ])("%s: the start is rejected with what to run", async (name, schema, change, message) => {
    if (schema !== "") dropLater(schema);
    if (name.includes("empty")) await database.pool.query(`create schema ${schema}`);
    if (change !== "") await open({ schema }).migrate();
    if (change !== "") await database.pool.query(change);
    for (const end of await ends(schema === "" ? "missing" : schema)) {
      expect(end).toBeInstanceOf(SchemaError);
      expect((end as SchemaError).message).toContain(message);
      expect((end as SchemaError).message).toMatch(
        name.includes("newer")
          ? /update the package `millrace`$/u
          : /run `await client\.migrate\(\)` or `npx millrace migrate`$/u,
      );
    }
  });

  it("is said by enqueue as well", async () => {
    const enqueued = open({ schema: "missing" }).enqueue("work", null);
    await expect(enqueued).rejects.toThrow(SchemaError);
    await expect(enqueued).rejects.toThrow(RUN);
  });

  it("does not keep a worker from starting when a newer library says that older ones may go on", async () => {
    const client = open({ schema: "future" });
    dropLater("future");
    await client.migrate();
    await database.pool.query(
      "insert into future.migrations (version, name, min_version) values (99, 'compatible', 1)",
    );
    const worker = await client.spawnWorker({ handlers });
    expect(await worker.shutdown()).toMatchObject({ outcome: "drained" });
  });
});

describe("client.migrate", () => {
  it("is called by 20 clients at once that start their workers then: it happens once and all come up", async () => {
    const schema = "crowd";
    dropLater(schema);
    const clients = Array.from({ length: 20 }, () => open({ schema }));
    const workers = await Promise.all(
      clients.map(async (client) => {
        const migrated = await client.migrate();
        return { migrated, worker: await client.spawnWorker({ handlers, listen: false }) };
      }),
    );
    const [first] = workers;
    const to = first?.migrated.to ?? 0;
    expect(workers.filter(({ migrated }) => migrated.from === 0)).toHaveLength(1);
    expect(workers.filter(({ migrated }) => migrated.from === to)).toHaveLength(19);
    const { rows } = await database.pool.query(
      `select count(*)::int as steps, max(version) as version, (select count(*)::int from ${schema}.workers) as workers
         from ${schema}.migrations`,
    );
    expect(rows).toEqual([{ steps: to, version: to, workers: 20 }]);
    await Promise.all(workers.map(({ worker }) => worker.shutdown()));
  });
});

describe("the name of the schema", () => {
  it('may be My "jobs": every part of a job\'s life works there', async () => {
    const schema = 'My "jobs"';
    dropLater('"My ""jobs"""');
    const client = open({ schema });
    await client.migrate();
    let broken = true;
    const heard = record(
      client.worker({
        pollIntervalMs: 30_000,
        handlers: {
          work: (job) => {
            if (job.payload === "fail" && broken) throw new Error("no");
          },
        },
      }),
    );
    await heard.first("listen-restored");
    const parent = await client.enqueue("work", "fail", { maxAttempts: 1 });
    const child = await client.enqueue("work", null, { after: [parent] });
    await heard.first("failed");
    expect(await client.listFailed()).toMatchObject([{ id: parent }]);
    broken = false;
    expect(await client.retryJob(parent)).toBe(true);
    await heard.first("succeeded", ({ job }) => job.id === child);
    const { rows } = await database.pool.query<{ id: string }>(
      `select "My ""jobs""".enqueue('work', '"by SQL"')::text as id`,
    );
    await heard.first("succeeded", ({ job }) => job.id === rows[0]?.id);
    expect(await client.pendingCount()).toBe(0);
    expect((await database.pool.query("select from millrace.jobs")).rowCount).toBe(0);
  });
});

describe("a role with no more rights than a worker, an app and an operator need", () => {
  it("runs jobs of every ending in a schema that somebody else migrated", async () => {
    const role = `worker_${randomUUID().slice(0, 8)}`;
    await database.pool.query(`create role ${role} login password 'a "word"'`);
    onTestFinished(async () => {
      await database.pool.query(`drop owned by ${role}; drop role ${role}`);
    });
    const roles = { enqueue: role, worker: role, admin: role };
    await database.pool.query(grantsSql("millrace", roles));
    const client = open({ connectionString: urlFor(role, 'a "word"') });
    const orphan = await client.enqueue("work", "orphan");
    const dying = await client.spawnWorker({
      leaseDurationMs: 300,
      handlers: { work: () => new Promise(() => {}) },
    });
    await until(database.pool, "select from millrace.claimed");
    await dying.abort();
    let tries = 0;
    const heard = record(
      client.worker({
        backoff: { initialMs: 1 },
        handlers: {
          work: (job) => {
            if (job.payload !== "fail") return;
            tries += 1;
            throw new Error(`no ${tries}`);
          },
        },
      }),
    );
    const failing = await client.enqueue("work", "fail", { maxAttempts: 2 });
    const child = await client.enqueue("work", null, { after: [failing], afterFailure: "run", delayMs: 10 });
    await heard.first("failed", ({ job }) => job.id === failing);
    await heard.first("succeeded", ({ job }) => job.id === child);
    await heard.first("succeeded", ({ job }) => job.id === orphan);
    expect(await client.listFailed()).toMatchObject([{ id: failing }]);
    expect(await client.bulkRetry("work")).toBe(1);
    await heard.until(() => heard.all("failed").length === 2);
    expect(await client.deleteFailed(failing)).toBe(true);
    await expect(
      open({ connectionString: urlFor(role, 'a "word"'), schema: "its_own" }).migrate(),
    ).rejects.toThrow("permission denied");
  });
});

describe("a database that does not let the worker in", () => {
  it.each<[string, () => string, string]>([
    [
      "for a wrong password",
      () => urlFor(new URL(database.connectionString).username, "wrong-Passw0rd"),
      "28P01",
    ],
    ["for an unknown database", () => database.connectionString.replace(/\/[^/]*$/u, "/nowhere"), "3D000"],
  ])("rejects the start at once %s, without a secret in the message", async (_, url, code) => {
    const client = open({ connectionString: url() });
    const thrown = await client.spawnWorker({ handlers }).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code });
    const { password } = new URL(url());
    const told = `${String(thrown)} ${JSON.stringify(thrown)} ${(thrown as Error).stack}`;
    expect(told).not.toContain(password);
    await expect(record(client.worker({ handlers })).ended).rejects.toMatchObject({ code });
    await expect(client.enqueue("work", null)).rejects.toMatchObject({ code });
  });

  it("rejects the start at once for a server that has no TLS when the connection asks for it", async () => {
    const url = new URL(database.connectionString);
    url.searchParams.set("sslmode", "require");
    const client = open({ connectionString: url.href });
    await expect(client.spawnWorker({ handlers })).rejects.toThrow("does not support SSL");
  });
});
