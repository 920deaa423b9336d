import { firstValueFrom, materialize, toArray } from "rxjs";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import type { ClusterEvent } from "../../src/events/cluster-event.ts";
import { statements } from "../../src/postgres/statements.ts";
import { completeIn } from "../../src/postgres/transaction.ts";
import { kept } from "../contract/bench.ts";
import type { Bench } from "../contract/bench.ts";
import { openBench } from "../postgres/store-bench.ts";
import { useCluster } from "./cluster.ts";
import { started, succeeded } from "./fixtures.ts";
import { until } from "../support/postgres.ts";
import { hear } from "./hear.ts";
import type { Hearer } from "./hear.ts";

const cluster = useCluster();
const { database } = cluster;

const FAR = 600_000;

/** Lets so many jobs succeed that keep their results; answers with their ids. */
async function mill(bench: Bench, count: number, job: { source?: string } = {}): Promise<readonly string[]> {
  const ids = await bench.addAll(Array.from({ length: count }, () => ({ ...job, keepResultMs: 60_000 })));
  const worker = await bench.worker({ label: "miller" });
  await bench.settle(worker, await bench.claim(worker, { limit: count }), kept("secret"));
  return ids;
}

/** Reads from somewhere; live news come when a test says so, or each 20 ms. */
function read(from: string, readIntervalMs = 20): Hearer {
  return hear(cluster.client({ readIntervalMs }).event$({ from }));
}

const cursorOf = (event: ClusterEvent | undefined): string =>
  event !== undefined && "cursor" in event ? event.cursor : "";

const cursors = (heard: Hearer): readonly string[] =>
  heard.events.map(cursorOf).filter((cursor) => cursor !== "");

describe("events from a cursor", () => {
  it("are what was kept since, then what is heard, each once, and none has a result", async () => {
    const bench = await openBench(database);
    const first = await mill(bench, 3, { source: "turn:7" });
    const all = read("start");
    await all.until(() => all.ids().length === 3);
    expect(all.events[1]).toEqual({
      type: "succeeded",
      job: { id: first[1], kind: "mill", queue: "default", source: "turn:7", attempt: 1, maxAttempts: 3 },
      durationMs: expect.any(Number),
      result: undefined,
      kept: true,
      worker: { id: expect.stringMatching(/^\d+$/u), label: "miller" },
      cursor: expect.stringMatching(/^m1\.[0-9a-f-]{36}\.\d+$/u),
    });
    expect(JSON.stringify(all.events)).not.toContain("secret");

    const rest = read(cursorOf(all.events[0]), FAR);
    await rest.first("listening");
    expect(rest.ids()).toEqual(first.slice(1));

    const worker = cluster.worker("one");
    worker.say(started("7", "one"));
    await rest.first("started");
    const [last = ""] = await mill(bench, 1);
    worker.say(succeeded(900), { ...succeeded(last), kept: true } as never);
    await rest.until(() => rest.ids().includes(last) && rest.ids().includes("900"));
    expect([...rest.ids()].toSorted()).toEqual([...first.slice(1), last, "900"].toSorted());
    expect(rest.types()).not.toContain("gap");
    await all.until(() => all.ids().includes(last));
  });

  it("wait for those that another reader is about to give their position", async () => {
    const bench = await openBench(database);
    const heard = read("start", FAR);
    await heard.first("listening");
    const worker = cluster.worker("one");
    worker.say(started("7", "one"));
    await heard.first("started");
    const [id = ""] = await mill(bench, 1);
    const other = await database.client();
    await other.query("begin");
    await other.query("select from millrace.completed for update");
    worker.say({ ...succeeded(id), kept: true } as never);
    await until(
      database.pool,
      `select true from pg_stat_activity
        where query like '%read_completed%' and state = 'idle' and pid <> pg_backend_pid()
          and query_start > (select xact_start from pg_stat_activity where pid = $1)`,
      [(await other.query<{ pid: number }>("select pg_backend_pid() as pid")).rows[0]?.pid],
    );
    expect(heard.ids()).toEqual([]);
    await other.query("commit");
    await heard.until(() => heard.ids().includes(id));
  });

  it("begin with what comes next, from now on", async () => {
    const bench = await openBench(database);
    await mill(bench, 5);
    const heard = read("now");
    await heard.first("listening");
    const ids = await mill(bench, 2);
    await heard.until(() => heard.ids().length === 2);
    expect(heard.ids()).toEqual(ids);
  });

  it("come in pages, however many there are", async () => {
    const bench = await openBench(database);
    const ids = await mill(bench, 3_500);
    const heard = read("start", FAR);
    await heard.until((events) => events.length >= 3_500);
    expect(heard.ids()).toEqual(ids);
    expect(heard.types()).not.toContain("gap");
  });

  it("match the filter", async () => {
    const bench = await openBench(database);
    await mill(bench, 2, { source: "a" });
    const wanted = await mill(bench, 2, { source: "b" });
    const heard = hear(cluster.client().event$({ from: "start", source: "b", types: ["succeeded"] }));
    await heard.first("listening");
    expect(heard.ids()).toEqual(wanted);
  });

  it("miss none that commits later than one that began after it", async () => {
    const bench = await openBench(database);
    const [one = "", two = ""] = await bench.addAll([{ keepResultMs: 60_000 }, { keepResultMs: 60_000 }]);
    const workerId = await bench.worker();
    const [first, second] = await bench.claim(workerId);
    const slow = await database.client();
    await slow.query("begin");
    await completeIn(slow, statements("millrace"), { workerId, claim: first as never, kept: "1" });
    const heard = read("start");
    await heard.first("listening");
    await bench.settle(workerId, [second as never], kept(2));
    await heard.until(() => heard.ids().includes(two));
    await slow.query("commit");
    await heard.until(() => heard.ids().includes(one));
    expect(heard.ids()).toEqual([two, one]);
    const again = read(cursorOf(heard.events.find((event) => "job" in event)), FAR);
    await again.first("listening");
    expect(again.ids()).toEqual([one]);
  });

  it("come to all readers in one order, whatever settles, reads and expires at once", async () => {
    const bench = await openBench(database);
    const keep = Array.from({ length: 240 }, (_, index) => ({ keepResultMs: index % 4 === 0 ? 1 : 60_000 }));
    await bench.addAll(keep);
    const readers = [read("start", 10), read("start", 15), read("now", 20)] as const;
    await Promise.all(readers.map((reader) => reader.first("listening")));
    const settlers = Array.from({ length: 4 }, async () => {
      const workerId = await bench.worker();
      for (let round = 0; round < 12; round += 1) {
        const jobs = await bench.claim(workerId, { limit: 5 });
        await bench.settle(workerId, jobs, kept(1));
        await bench.expireResults(3);
      }
    });
    await Promise.all(settlers);
    const { rows } = await database.pool.query<{ id: string }>("select id::text from millrace.completed");
    const stay = new Set(rows.map(({ id }) => id));
    expect(stay.size).toBeGreaterThanOrEqual(180);
    for (const reader of readers) {
      await reader.until(() => reader.ids().filter((id) => stay.has(id)).length >= stay.size);
      expect(new Set(reader.ids()).size).toBe(reader.ids().length);
    }
    const order = (reader: Hearer): readonly string[] => reader.ids().filter((id) => stay.has(id));
    expect(order(readers[1])).toEqual(order(readers[0]));
    expect(order(readers[2])).toEqual(order(readers[0]));
    const [reader] = readers;
    for (const at of [0, 60, 150]) {
      const again = read(cursors(reader)[at] ?? "", FAR);
      await again.first("listening");
      const after = reader.ids().slice(at + 1);
      expect(again.ids()).toEqual(after.filter((id) => stay.has(id) || again.ids().includes(id)));
    }
  });

  it("tell a gap where results expired before they were read, and none where they were", async () => {
    const bench = await openBench(database);
    await mill(bench, 2);
    const heard = read("start", FAR);
    await heard.first("listening");
    const cursor = cursors(heard).at(-1) ?? "";
    await bench.elapse(61_000);
    expect(await bench.expireResults()).toBe(2);
    const upToDate = read(cursor, FAR);
    await upToDate.first("listening");
    expect(upToDate.types()).toEqual(["listening"]);

    await mill(bench, 1);
    await bench.elapse(61_000);
    expect(await bench.expireResults()).toBe(1);
    const [last] = await mill(bench, 1);
    const late = read(cursor, FAR);
    await late.first("listening");
    expect(late.types()).toEqual(["gap", "succeeded", "listening"]);
    expect(late.ids()).toEqual([last]);
  });

  it("come also while nothing can be heard", async () => {
    const bench = await openBench(database);
    const unreachable = { connectionString: "postgres://nobody@127.0.0.1:1/none" };
    const heard = hear(cluster.client({ config: unreachable, readIntervalMs: 20 }).event$({ from: "now" }));
    await heard.first("deaf");
    const ids = await mill(bench, 2);
    await heard.until(() => heard.ids().length === 2);
    expect(heard.ids()).toEqual(ids);
  });

  it("error for a cursor of another schema or of a later time, before they tell anything", async () => {
    const bench = await openBench(database);
    await mill(bench, 1);
    const heard = read("start");
    await heard.first("succeeded");
    const cursor = cursorOf(heard.events[0]);
    const ahead = cursor.replace(/\d+$/u, "999999");
    const foreign = cursor.replace(/^m1\.[0-9a-f]{8}/u, "m1.00000000");
    for (const [from, why] of [
      [ahead, "ahead of this schema"],
      [foreign, "of another schema"],
    ] as const) {
      const told = await firstValueFrom(cluster.client().event$({ from }).pipe(materialize(), toArray()));
      expect(told).toEqual([expect.objectContaining({ kind: "E" })]);
      const [{ error } = { error: undefined }] = told as readonly { error?: unknown }[];
      expect(error).toBeInstanceOf(OptionError);
      expect(String(error)).toContain(why);
    }
    expect(() => cluster.client().event$({ from: "m1.gibberish" })).toThrow(OptionError);
  });

  it("error with what no waiting mends", async () => {
    const { run } = database.open();
    await database.pool.query("alter table millrace.completed_log rename to gone");
    try {
      const told = await firstValueFrom(
        cluster.client({ run }).event$({ from: "start" }).pipe(materialize(), toArray()),
      );
      expect(told).toEqual([expect.objectContaining({ kind: "E" })]);
      expect(String((told[0] as { error?: unknown }).error)).toContain("SchemaError");
    } finally {
      await database.pool.query("alter table millrace.gone rename to completed_log");
    }
  });
});
