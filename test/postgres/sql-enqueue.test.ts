import { describe, expect, it } from "vitest";
import { channelOf, readHint } from "../../src/postgres/channel.ts";
import { FAILED } from "../contract/bench.ts";
import { usePostgres } from "../support/postgres.ts";
import { openBench } from "./store-bench.ts";

const database = usePostgres();

/** Runs one text and tells its first value. */
async function ask(text: string, values: readonly unknown[] = []): Promise<unknown> {
  const { rows } = await database.pool.query<{ value: unknown }>(`select ${text} as value`, [...values]);
  return rows[0]?.value;
}

/** What workers hear while `work` runs. */
async function heard(work: () => Promise<unknown>): Promise<readonly unknown[]> {
  const listener = await database.client();
  const payloads: (string | undefined)[] = [];
  listener.on("notification", ({ payload }) => payloads.push(payload));
  await listener.query(`listen "${channelOf("millrace")}"`);
  await work();
  await listener.query("select 1");
  return payloads.map((payload) => readHint(payload ?? ""));
}

describe("millrace.enqueue", () => {
  it("writes a job with the defaults, answers with its id, and wakes workers", async () => {
    const on = await openBench(database);
    const hints = await heard(() => ask(`millrace.enqueue('mill', '{"grain": "rye"}')`));
    expect(hints).toEqual([{ queue: "default" }]);
    const job = await on.claimOne(await on.worker());
    expect(job).toMatchObject({ kind: "mill", queue: "default", payload: { grain: "rye" } });
    expect(job).toMatchObject({ priority: 0, maxAttempts: 3, attempt: 1, crashes: 0, token: 1 });
    expect(job).toMatchObject({ source: undefined, timeoutMs: undefined, backoff: undefined });
  });

  it("takes every argument by name", async () => {
    const on = await openBench(database);
    await ask(`millrace.enqueue(kind => 'mill', payload => '1', queue => 'stone "1"', priority => -5,
      max_attempts => 7, source => 'turn:7', run_at => '2020-01-01')`);
    const job = await on.claimOne(await on.worker(), { queue: 'stone "1"' });
    expect(job).toMatchObject({ payload: 1, priority: -5, maxAttempts: 7, source: "turn:7" });
    expect(job.waitMs).toBeLessThan(60_000);
  });

  it("schedules what is to run later, and tells in how many milliseconds", async () => {
    const on = await openBench(database);
    const hints = await heard(() => ask(`millrace.enqueue('mill', '{}', delay => '90 seconds')`));
    expect(hints).toEqual([{ queue: "default", dueInMs: expect.any(Number) }]);
    const [hint] = hints as readonly { readonly dueInMs: number }[];
    expect(hint?.dueInMs).toBeGreaterThan(60_000);
    expect(hint?.dueInMs).toBeLessThanOrEqual(90_000);
    expect([...(await on.states()).values()]).toEqual(["scheduled"]);
  });

  it("lets a job wait for others, quietly, and wakes workers when it may run", async () => {
    const on = await openBench(database);
    const parent = await on.add();
    const enqueue = "millrace.enqueue('mill', '{}', queue => 'child', after => array[$1::bigint])";
    expect(await heard(() => ask(enqueue, [parent]))).toEqual([]);
    const worker = await on.worker();
    const job = await on.claimOne(worker);
    const hints = await heard(() => on.settle(worker, [job], { type: "succeeded", result: 1 }));
    expect(hints).toEqual([{ queue: "child" }]);
  });

  it("follows after_failure", async () => {
    const on = await openBench(database);
    const parent = await on.add();
    const worker = await on.worker();
    await on.settle(worker, [await on.claimOne(worker)], FAILED);
    for (const afterFailure of ["wait", "run", "fail"]) {
      await ask("millrace.enqueue('mill', '{}', after => array[$1::bigint], after_failure => $2)", [
        parent,
        afterFailure,
      ]);
    }
    expect([...(await on.states()).values()]).toEqual(["failed", "waiting", "pending", "failed"]);
  });

  it("writes one job of a key, answers with the one that stands, and notifies once", async () => {
    const on = await openBench(database);
    const keyed = "millrace.enqueue('mill', '{}', key => 'charge 7')";
    const hints = await heard(async () => {
      const ids = [await ask(keyed), await ask(keyed)];
      expect(ids[1]).toBe(ids[0]);
    });
    expect(hints).toEqual([{ queue: "default" }]);
    expect((await on.states()).size).toBe(1);
  });

  it("is undone with the transaction, its notification too", async () => {
    const on = await openBench(database);
    const hints = await heard(() =>
      database.pool.query("begin; select millrace.enqueue('mill', '{}'); rollback"),
    );
    expect(hints).toEqual([]);
    expect(await on.pendingCount()).toBe(0);
  });

  it("works in a trigger, whatever the search path", async () => {
    const on = await openBench(database);
    await database.pool.query(`
      set search_path = pg_temp;
      create temp table orders (id int);
      create function pg_temp.enqueued() returns trigger language plpgsql as
        $$ begin perform millrace.enqueue('mill', to_jsonb(new)); return new; end $$;
      create trigger enqueued after insert on orders for each row execute function pg_temp.enqueued();
      insert into orders values (1), (2);
      drop table orders;
      reset search_path`);
    expect((await on.claim(await on.worker())).map(({ payload }) => payload)).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it.each([
    ["millrace.enqueue('', '{}')", "kind"],
    ["millrace.enqueue(null, '{}')", "kind"],
    ["millrace.enqueue(E' \\n', '{}')", "kind"],
    ["millrace.enqueue(repeat('k', 201), '{}')", "kind"],
    ["millrace.enqueue('mill', null)", "payload"],
    ["millrace.enqueue('mill', '{}', queue => '')", "queue"],
    ["millrace.enqueue('mill', '{}', priority => 32768)", "priority"],
    ["millrace.enqueue('mill', '{}', max_attempts => 0)", "max_attempts"],
    ["millrace.enqueue('mill', '{}', max_attempts => 10001)", "max_attempts"],
    ["millrace.enqueue('mill', '{}', run_at => 'infinity')", "run_at"],
    ["millrace.enqueue('mill', '{}', key => '  ')", "key"],
    ["millrace.enqueue('mill', '{}', key => repeat('k', 201))", "key"],
    ["millrace.enqueue('mill', '{}', after => array[null]::bigint[])", "after"],
    ["millrace.enqueue('mill', '{}', after_failure => 'hope')", "after_failure"],
  ])("refuses %s", async (call, argument) => {
    await expect(ask(call)).rejects.toMatchObject({
      code: "22023",
      message: expect.stringMatching(new RegExp(`^millrace: expected ${argument} `, "u")),
    });
  });
});
