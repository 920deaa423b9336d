import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { payload } from "../../src/index.ts";
import { gate, openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

const jobs = { work: payload<unknown>() };

/** A pool of the app's. */
function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({ application_name: "the app", max: 2, ...config });
  onTestFinished(() => pool.end());
  return pool;
}

describe("a client with the app's pool", () => {
  it("uses it for calls, opens connections of its own for workers, and leaves it open", async () => {
    const pool = openPool({ connectionString: database.connectionString });
    const client = openClient({ pool, jobs });
    const heard = record(client.worker({ handlers: { work: () => undefined } }));
    const id = await client.enqueue("work", null);
    expect((await heard.first("succeeded")).job.id).toBe(id);
    const { rows } = await database.pool.query<{ name: string }>(
      `select distinct split_part(application_name, ' ', 2) as name from pg_stat_activity
        where datname = current_database() and application_name like 'millrace%' order by 1`,
    );
    expect(rows.map(({ name }) => name)).toEqual(["lease", "listen", "work"]);
    heard.stop();
    await client.close();
    expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  });

  it("takes a pool that was made of single settings", async () => {
    const { hostname, port, username, password, pathname } = new URL(database.connectionString);
    const settings = { host: hostname, port: Number(port), user: decodeURIComponent(username) };
    const pool = openPool({
      ...settings,
      password: () => decodeURIComponent(password),
      database: decodeURIComponent(pathname.slice(1)),
    });
    const client = openClient({ pool, jobs });
    const heard = record(client.worker({ pollIntervalMs: 30_000, handlers: { work: () => undefined } }));
    await heard.first("listen-restored");
    await client.enqueue("work", null);
    await heard.first("succeeded");
  });

  it("keeps its lease while handlers hold every connection of the pool", async () => {
    const leaseDurationMs = 800;
    const pool = openPool({ connectionString: database.connectionString });
    const client = openClient({ pool, jobs });
    const done = gate();
    const heard = record(
      client.worker({
        leaseDurationMs,
        handlers: {
          work: async () => {
            const held = await pool.connect();
            await done.opened;
            held.release();
          },
        },
      }),
    );
    await client.enqueueMany([1, 2, 3].map((n) => ({ kind: "work", payload: n }) as const));
    await heard.until(() => heard.all("attempt-started").length === 3);
    const RENEWED = `select from millrace.workers
      where lease_expires_at > registered_at + 3 * $1::int * interval '1 ms'`;
    await until(database.pool, RENEWED, [leaseDurationMs]);
    expect(pool.waitingCount).toBe(1);
    done.open();
    await heard.until(() => heard.all("succeeded").length === 3);
    expect(heard.all("lease-expired")).toEqual([]);
  });

  it("survives the end of its connections, idle or not", async () => {
    const pool = openPool({ connectionString: database.connectionString });
    const client = openClient({ pool, jobs });
    const heard = record(client.worker({ pollIntervalMs: 50, handlers: { work: () => undefined } }));
    await heard.first("listen-restored");
    await client.enqueue("work", 1);
    await heard.first("succeeded");
    await database.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and (application_name = 'the app' or application_name like 'millrace%')`,
    );
    await heard.first("listen-lost");
    await heard.until((events) => events.findLastIndex(({ type }) => type === "listen-restored") > 2);
    await client.enqueue("work", 2);
    await heard.until(() => heard.all("succeeded").length === 2);
    expect(heard.all("started")).toHaveLength(1);
  });
});
