import { firstValueFrom, from, lastValueFrom, of, range, toArray } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it, onTestFinished } from "vitest";
import { ClosedError, EnqueueError, OptionError, PayloadError, payload } from "../../src/index.ts";
import type { PayloadSchema } from "../../src/index.ts";
import { openClient } from "../support/client.ts";
import { until, usePostgres } from "../support/postgres.ts";
import { record } from "../support/recording.ts";

const database = usePostgres();

/** Takes even numbers only. */
const even: PayloadSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "the test",
    validate: async (value) => {
      // Some take longer than those after them.
      if (value === 4) await new Promise(setImmediate);
      return Number(value) % 2 === 0 ? { value: Number(value) } : { issues: [{ message: "is odd" }] };
    },
  },
};

const jobs = { count: payload<number>(), even };

function open() {
  return openClient({ connectionString: database.connectionString, jobs });
}

/** The ids that came, and the error after them. */
async function ended(id$: Observable<string>): Promise<{ readonly ids: string[]; readonly error: unknown }> {
  const ids: string[] = [];
  try {
    await id$.forEach((id) => ids.push(id));
    return { ids, error: undefined };
  } catch (error) {
    return { ids, error };
  }
}

/** The payloads in the order of ids, and in how many transactions they were written. */
async function written(): Promise<{ readonly payloads: number[]; readonly inserts: number }> {
  const { rows } = await database.pool.query<{ payloads: number[]; inserts: number }>(
    `select coalesce(array_agg(payload::int order by id), '{}') as payloads,
            count(distinct xmin::text)::int as inserts from millrace.pending`,
  );
  return rows[0] ?? { payloads: [], inserts: 0 };
}

/** Holds up every insert until it is let go. */
async function holdInserts(): Promise<() => Promise<unknown>> {
  const holder = await database.client();
  await holder.query("begin; lock table millrace.pending in share mode");
  return async () => holder.query("rollback");
}

const WAITS =
  "select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'millrace calls'";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe("client.enqueueEach", () => {
  it("enqueues each value of an Observable, and wakes the workers of its process", async () => {
    const client = open();
    const heard = record(
      client.worker({ pollIntervalMs: 30_000, handlers: { count: (job) => of(job.payload) } }),
    );
    await heard.first("started");
    const ids = await firstValueFrom(range(1, 3).pipe(client.enqueueEach("count"), toArray()));
    await heard.until(() => heard.all("succeeded").length === 3);
    const results = new Map(heard.all("succeeded").map(({ job, result }) => [job.id, result]));
    expect(ids.map((id) => results.get(id))).toEqual([1, 2, 3]);
  });

  it("emits the id of the job that stands where a value's key is taken, be it by a value before", async () => {
    const client = open();
    const taken = await client.enqueue("count", 1, { key: "stone 1" });
    const options = (value: number) => ({ key: `stone ${value}` });
    const ids = await firstValueFrom(client.enqueueEach("count", { options })([1, 2, 3, 2]).pipe(toArray()));
    expect(ids[0]).toBe(taken);
    expect(ids[3]).toBe(ids[1]);
    expect((await written()).payloads).toEqual([1, 2, 3]);
  });

  it("writes what gathers, a thousand at once, in the order of the source", async () => {
    const id$ = open().enqueueEach("count")(numbers(2_500));
    const ids = await firstValueFrom(id$.pipe(toArray()));
    expect(ids.map(BigInt).every((id, index, all) => index === 0 || id > (all[index - 1] ?? 0n))).toBe(true);
    // One alone, for nothing is waited for, and the others as they fit.
    expect(await written()).toEqual({ payloads: numbers(2_500), inserts: 4 });
  });

  it("writes large payloads in smaller inserts, whatever max is", async () => {
    const client = openClient({
      connectionString: database.connectionString,
      jobs: { text: payload<string>() },
    });
    const texts = Array.from({ length: 20 }, () => "x".repeat(1_000_000));
    const ids = await firstValueFrom(client.enqueueEach("text")(texts).pipe(toArray()));
    const { rows } = await database.pool.query(
      "select count(*)::int as jobs, count(distinct xmin::text)::int as inserts from millrace.pending",
    );
    expect([ids.length, rows[0]]).toEqual([20, { jobs: 20, inserts: 3 }]);
  });

  it("takes options for all, or a function that makes them of each value", async () => {
    const client = open();
    const map = ({ n }: { readonly n: number }): number => n;
    const id$ = from([{ n: 1 }, { n: 2 }]).pipe(
      client.enqueueEach("count", {
        map,
        options: ({ n }, index) => ({ source: `row ${n}`, priority: index }),
      }),
    );
    await lastValueFrom(id$);
    await lastValueFrom(of(3).pipe(client.enqueueEach("count", { options: { queue: "slow" } })));
    const { rows } = await database.pool.query(
      "select payload, source, priority, queue from millrace.pending order by id",
    );
    expect(rows).toEqual([
      { payload: 1, source: "row 1", priority: 0, queue: "default" },
      { payload: 2, source: "row 2", priority: 1, queue: "default" },
      { payload: 3, source: null, priority: 0, queue: "slow" },
    ]);
  });

  it("reads an async iterable no further than Postgres writes", async () => {
    const letGo = await holdInserts();
    let read = 0;
    async function* source(): AsyncGenerator<number> {
      for (const n of numbers(500)) {
        read = n;
        yield n;
      }
    }
    const ids = ended(open().enqueueEach("count", { max: 100 })(source()));
    await until(database.pool, WAITS);
    await new Promise(setImmediate);
    // One in flight, a hundred in hand.
    expect(read).toBe(101);
    await letGo();
    expect((await ids).ids).toHaveLength(500);
    expect((await written()).payloads).toEqual(numbers(500));
  });

  it("stops at a payload that is refused: what came before is written, and the index is told", async () => {
    const { ids, error } = await ended(open().enqueueEach("even")([2, 4, 6, 7, 8]));
    expect(error).toBeInstanceOf(EnqueueError);
    expect(error).toMatchObject({ reason: "value", written: 3, uncertain: 0, unwritten: [7, 8] });
    expect((error as EnqueueError).cause).toBeInstanceOf(PayloadError);
    expect((error as EnqueueError).message).toBe(
      'The value at index 3 was refused: The payload of a "even" job does not fit its schema: is odd',
    );
    expect(ids).toHaveLength(3);
    expect((await written()).payloads).toEqual([2, 4, 6]);
  });

  it("refuses options that a function makes, and payloads that are no JSON, with the index", async () => {
    const client = open();
    const wrong = await ended(client.enqueueEach("count", { options: () => ({ priority: 0.5 }) })([1]));
    expect(wrong.error).toMatchObject({
      message: expect.stringContaining("index 0 was refused: Expected `priority`"),
    });
    const noJson = await ended(client.enqueueEach("count")([1, Number.NaN]));
    expect(noJson.error).toMatchObject({
      message: expect.stringContaining("index 1 was refused: The payload"),
    });
  });

  it("tells what is not written when Postgres refuses an insert", async () => {
    await database.pool.query("alter table millrace.pending add constraint small check (payload::int < 3)");
    onTestFinished(async () => {
      await database.pool.query("alter table millrace.pending drop constraint small");
    });
    const { ids, error } = await ended(open().enqueueEach("count", { max: 2 })(numbers(9)));
    expect(error).toMatchObject({ reason: "write", written: 1, uncertain: 0, unwritten: [2, 3, 4, 5] });
    expect(ids).toHaveLength(1);
    expect((await written()).payloads).toEqual([1]);
  });

  it("does not know of the insert in flight when the connection is lost", async () => {
    const letGo = await holdInserts();
    const ending = ended(open().enqueueEach("count")(numbers(3)));
    await until(database.pool, WAITS);
    await database.pool.query(
      `select pg_terminate_backend(pid) from (${WAITS.replace("from", "pid from")}) as waiting`,
    );
    expect((await ending).error).toMatchObject({
      reason: "write",
      written: 0,
      uncertain: 1,
      unwritten: [1, 2, 3],
    });
    await letGo();
  });

  it("ends with a ClosedError when its client is closed, the insert in flight being written", async () => {
    const client = open();
    const letGo = await holdInserts();
    const ending = ended(client.enqueueEach("count", { max: 1 })(numbers(3)));
    await until(database.pool, WAITS);
    const closed = client.close();
    await letGo();
    const { ids, error } = await ending;
    await closed;
    expect(error).toMatchObject({ reason: "write", written: 1, unwritten: [2, 3] });
    expect((error as EnqueueError).cause).toBeInstanceOf(ClosedError);
    expect(ids).toHaveLength(1);
    expect(() => client.enqueueEach("count")).toThrow(ClosedError);
  });

  it("checks kind and options at the call", () => {
    const client = open();
    const call = client.enqueueEach as (...given: readonly unknown[]) => unknown;
    const message = (...given: readonly unknown[]): string => {
      try {
        call(...given);
        return "nothing is wrong";
      } catch (error) {
        expect(error).toBeInstanceOf(OptionError);
        return (error as Error).message;
      }
    };
    expect(message("cont")).toContain('"cont"');
    expect(message("count", { max: 0 })).toBe(
      "Expected `max` to be an integer from 1 to 10000, got 0 (number)",
    );
    expect(message("count", { map: 5 })).toBe("Expected `map` to be a function, got 5 (number)");
    expect(message("count", { options: 5 })).toContain("Expected `options` to be job options, or a function");
    expect(message("count", { options: { priority: "high" } })).toContain("Expected `priority`");
    expect(message("count", { options: { tx: {} } })).toContain('Unknown option "tx"');
    expect(message("count", { batch: 5 })).toContain('Unknown option "batch"');
    expect(message("count", null)).toContain("enqueueEach options");
  });
});
