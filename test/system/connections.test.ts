import { expect, describe, it } from "vitest";
import { payload } from "../../src/index.ts";
import { gate, openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

const CLAIM_WAITS = `
  select true from pg_stat_activity
   where datname = current_database() and wait_event_type = 'Lock' and query like '%for key share%'`;

describe("a worker", () => {
  it("writes outcomes while a claim is in flight, over another connection", async () => {
    const client = openClient({
      connectionString: database.connectionString,
      jobs: { work: payload<unknown>() },
    });
    const done = gate();
    const heard = record(
      client.worker({
        concurrency: 2,
        pollIntervalMs: 60_000,
        handlers: { work: ({ payload: which }) => (which === "first" ? done.opened : undefined) },
      }),
    );
    await heard.first("listen-restored");
    const first = await client.enqueue("work", "first");
    await heard.first("attempt-started");
    // A claim locks the row of its worker, and an outcome does not.
    const locker = await database.client();
    await locker.query("begin");
    await locker.query("select from millrace.workers for update");
    const second = await client.enqueue("work", "second");
    await until(database.pool, CLAIM_WAITS);
    done.open();
    expect((await heard.first("succeeded")).job.id).toBe(first);
    const { rows } = await database.pool.query("select id from millrace.claimed");
    expect(rows).toEqual([]);
    expect((await database.pool.query(CLAIM_WAITS)).rows).toHaveLength(1);
    await locker.query("commit");
    await heard.until(() => heard.all("succeeded").length === 2);
    expect(heard.all("succeeded").map(({ job }) => job.id)).toEqual([first, second]);
  });
});
