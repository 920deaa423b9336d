import { describe, expect, it, vi } from "vitest";
import type { WorkerEvent } from "../../src/core/events.ts";
import { gate } from "../support/client.ts";
import { until } from "../support/postgres.ts";
import { useCluster } from "./cluster.ts";
import { started, succeeded } from "./fixtures.ts";
import { hear } from "./hear.ts";

const cluster = useCluster();

const ENTRY_GONE = "select true where not exists (select from millrace.subscribers)";

describe("clusterEvents", () => {
  it("tells events of every worker in order, with who it is and without results", async () => {
    const heard = hear(cluster.client().event$());
    await heard.first("listening");
    const [one, two] = [cluster.worker("one"), cluster.worker("two")];
    one.say(started("7", "one"), { ...succeeded(1), result: "secret" } as WorkerEvent, succeeded(2));
    two.say(started("8", "two"), succeeded(3));
    await heard.until((events) => events.length === 6);

    const of = (label: string): unknown[] =>
      heard.events.filter((event) => "worker" in event && event.worker?.label === label);
    const [first, second] = [
      { id: "7", label: "one" },
      { id: "8", label: "two" },
    ];
    expect(of("one")).toEqual([
      { ...started("7", "one"), worker: first },
      { ...succeeded(1), worker: first },
      { ...succeeded(2), worker: first },
    ]);
    expect(of("two")).toEqual([
      { ...started("8", "two"), worker: second },
      { ...succeeded(3), worker: second },
    ]);
  });

  it("tells what matches its filter only, and lets workers publish no more than anybody wants", async () => {
    const texts = await cluster.notifications();
    const events = cluster.client();
    const heard = hear(events.event$({ kinds: ["mail"], types: ["succeeded"] }));
    const other = hear(events.event$({ source: "42" }));
    await Promise.all([heard.first("listening"), other.first("listening")]);
    const worker = cluster.worker("one");
    worker.say(started("7", "one"));
    await worker.looked(2);
    worker.say(succeeded(1), succeeded(2, { kind: "mail" }), succeeded(3, { source: "42" }), succeeded(4));
    worker.say(succeeded(5, { kind: "mail" }), succeeded(6, { source: "42" }));
    await heard.until(() => heard.ids().includes("5"));
    await other.until(() => other.ids().includes("6"));
    expect(heard.ids()).toEqual(["2", "5"]);
    expect(other.ids()).toEqual(["3", "6"]);
    expect(heard.types()).not.toContain("gap");
    expect(texts.join("")).not.toContain("started");
  });

  it("publishes nothing while nobody listens", async () => {
    const texts = await cluster.notifications();
    const worker = cluster.worker("one");
    const looked = worker.looked(0);
    worker.say(started("7", "one"));
    await looked;
    for (let id = 1; id <= 100; id += 1) worker.say(succeeded(id));
    expect(texts).toEqual([]);
    const found = worker.looked(1);
    const heard = hear(cluster.client().event$());
    await heard.first("listening");
    await found;
    worker.say(succeeded(101));
    await heard.first("succeeded");
    await vi.waitFor(() => expect(texts.at(-1)).toContain(",101,"));
    // What had been on its way would have come before.
    expect(texts.filter((text) => text.includes('"extract"'))).toHaveLength(1);
    expect(heard.ids()).toEqual(["101"]);
    expect(worker.passed).toHaveLength(102);
  });

  it("hears all that happens in a worker after that heard of it", async () => {
    let hold = Promise.resolve();
    const worker = cluster.worker("one", {
      wrap: (run) => async (statement, values) => {
        if (statement.name.includes("subscribers")) await hold;
        return run(statement, values);
      },
    });
    const none = worker.looked(0);
    worker.say(started("7", "one"));
    await none;
    const { opened, open } = gate();
    hold = opened;
    const found = worker.looked(1);
    const heard = hear(cluster.client().event$({ types: ["succeeded"], kinds: ["extract"] }));
    await heard.first("listening");
    await worker.hinted();
    worker.say(succeeded(1), succeeded(2, { kind: "mail" }));
    open();
    await found;
    worker.say(succeeded(3));
    await heard.until(() => heard.ids().length === 2);
    expect(heard.ids()).toEqual(["1", "3"]);
    expect(heard.types()).not.toContain("gap");
  });

  it("lets workers stop when its last subscriber has gone", async () => {
    const worker = cluster.worker("one");
    const found = worker.looked(1);
    worker.say(started("7", "one"));
    const heard = hear(cluster.client().event$());
    await heard.first("listening");
    await found;
    worker.say(succeeded(1));
    await heard.first("succeeded");
    const texts = await cluster.notifications();
    const stopped = worker.looked(0);
    heard.stop();
    await stopped;
    worker.say(succeeded(2));
    await cluster.notify("[end]");
    await vi.waitFor(() => expect(texts).toContain("[end]"));
    // A greeting, which has a number and no event, may have been on its way.
    expect(texts.filter((text) => !/^\[(?:[^,]*,){4}\d+\]$/u.test(text))).toEqual(["[end]"]);
  });

  it("is found by workers that hear no hints, at their next look", async () => {
    const worker = cluster.worker("one", { hinted: false, lookIntervalMs: 50 });
    const none = worker.looked(0);
    worker.say(started("7", "one"));
    await none;
    const found = worker.looked(1);
    const heard = hear(cluster.client().event$());
    await heard.first("listening");
    await found;
    worker.say(succeeded(1));
    await heard.first("succeeded");
  });

  it("carries names of 200 letters of any kind, ids beyond 2^53, and many events at once", async () => {
    const heard = hear(cluster.client().event$());
    await heard.first("listening");
    const worker = cluster.worker("字\"'\\".repeat(50));
    const texts = await cluster.notifications();
    const kinds = ["字".repeat(200), "\"'\\\u0001".repeat(50), "😀".repeat(100)];
    const said = Array.from({ length: 500 }, (_, index) =>
      succeeded((9_223_372_036_854_775_000n + BigInt(index)).toString(), {
        kind: kinds[index % 3] ?? "",
        source: `${"ü\"'\\".repeat(48)}${index}`,
      }),
    );
    worker.say(started("7", "x"), ...said);
    await heard.until(() => heard.ids().length === 500);
    const [, , ...told] = heard.events;
    expect(told.map((event) => ({ ...event, worker: undefined }))).toEqual(
      said.map((event) => ({ ...event, worker: undefined })),
    );
    expect(heard.types()).not.toContain("gap");
    await vi.waitFor(() => expect(texts.length).toBeGreaterThan(10));
    expect(Math.max(...texts.map((text) => Buffer.byteLength(text)))).toBeLessThan(7_950);
  });

  it("tells a lost connection as a gap with how long it was, then how many events it cost, and goes on", async () => {
    const heard = hear(cluster.client().event$());
    await heard.first("listening");
    const worker = cluster.worker("one");
    worker.say(started("7", "one"), succeeded(1));
    await heard.first("succeeded");
    await cluster.terminate();
    await heard.first("deaf");
    worker.say(succeeded(2), succeeded(3));
    await heard.first((event) => event.type === "gap" && event.missed === 2);
    worker.say(succeeded(4));
    await heard.until(() => heard.ids().includes("4"));

    expect(heard.types()).toEqual([
      "listening",
      "started",
      "succeeded",
      "deaf",
      "gap",
      "listening",
      "gap",
      "succeeded",
    ]);
    expect(heard.events[4]).toEqual({ type: "gap", durationMs: expect.any(Number) as number });
    expect((heard.events[4] as { durationMs: number }).durationMs).toBeGreaterThan(50);
    expect(heard.events[6]).toEqual({ type: "gap", missed: 2, worker: { id: "7", label: "one" } });
  });

  it("tells skipped numbers as a gap, repeats only once, and what it cannot read as a gap too", async () => {
    const heard = hear(cluster.client().event$());
    await heard.first("listening");
    const chunk = (first: number, ...ids: readonly number[]): string =>
      `[1,"s","7","one",${first},${ids.map((id) => `[1,"k","q",3,${id},1,5]`).join(",")}]`;
    for (const payload of [chunk(5, 1, 2), chunk(6, 2, 3), "nonsense", "[2]", chunk(12, 4)])
      await cluster.notify(payload);
    await heard.until(() => heard.ids().includes("4"));
    expect(heard.events.map((event) => ("job" in event ? event.job.id : event))).toEqual([
      { type: "listening" },
      "1",
      "2",
      "3",
      { type: "gap" },
      { type: "gap", missed: 4, worker: { id: "7", label: "one" } },
      "4",
    ]);
  });

  it("shares one connection and one entry among its subscribers, and leaves neither", async () => {
    const events = cluster.client();
    expect(await cluster.listeners()).toBe(0);
    const first = hear(events.event$());
    const second = hear(events.event$({ types: ["failed"] }));
    const third = hear(events.event$());
    await Promise.all([first.first("listening"), second.first("listening"), third.first("listening")]);
    expect(await cluster.listeners()).toBe(1);
    expect(await cluster.entries()).toBe(1);
    first.stop();
    second.stop();
    const worker = cluster.worker("one");
    worker.say(started("7", "one"));
    await third.first("started");
    expect(first.types()).not.toContain("started");
    third.stop();
    await until(cluster.database.pool, ENTRY_GONE);
    await vi.waitFor(async () => expect(await cluster.listeners()).toBe(0));

    const again = hear(events.event$());
    await again.first("listening");
    expect(await cluster.listeners()).toBe(1);
  });

  it("tells a late subscriber with wishes of its own when workers know them", async () => {
    const events = cluster.client();
    const first = hear(events.event$({ kinds: ["mail"] }));
    await first.first("listening");
    const worker = cluster.worker("one");
    worker.say(started("7", "one"));
    await worker.looked(1);
    const found = worker.looked(2);
    const late = hear(events.event$({ kinds: ["extract"] }));
    await late.first("listening");
    await found;
    worker.say(succeeded(1));
    await late.first("succeeded");
    expect(first.types()).toEqual(["listening"]);
  });

  it("leaves no entry, at whatever moment it is unsubscribed", async () => {
    const events = cluster.client();
    for (let turns = 0; turns < 25; turns += 1) {
      const heard = hear(events.event$());
      for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
      heard.stop();
    }
    await events.close();
    expect(await cluster.entries()).toBe(0);
  });

  it("completes its subscribers when it is closed, and later ones at once", async () => {
    const events = cluster.client();
    const heard = hear(events.event$());
    await heard.first("listening");
    await events.close();
    expect(await cluster.entries()).toBe(0);
    await vi.waitFor(() => expect(heard.completed()).toBe(true));
    const late = hear(events.event$());
    await vi.waitFor(() => expect(late.completed()).toBe(true));
  });

  it("keeps its entry by renewing it, and enters anew with a gap when that has expired", async () => {
    const heard = hear(cluster.client({ leaseMs: 300 }).event$());
    await heard.first("listening");
    const expiry = "select expires_at from millrace.subscribers";
    const { rows } = await cluster.database.pool.query<{ expires_at: Date }>(expiry);
    await until(cluster.database.pool, `${expiry} where expires_at > $1`, [rows[0]?.expires_at]);
    expect(heard.types()).toEqual(["listening"]);

    await cluster.database.pool.query("delete from millrace.subscribers");
    const gap = await heard.first("gap");
    expect(gap).toEqual({ type: "gap", durationMs: expect.any(Number) as number });
    await until(cluster.database.pool, expiry);
    const worker = cluster.worker("one");
    worker.say(started("7", "one"));
    await heard.first("started");
  });

  it("does not count processes that died, and removes their entries", async () => {
    await cluster.database.pool.query(
      `insert into millrace.subscribers values
        (gen_random_uuid(), '[{}]', now() - interval '1 s'), (gen_random_uuid(), '[{}]', now() - interval '2 min')`,
    );
    const worker = cluster.worker("one");
    const looked = worker.looked(0);
    worker.say(started("7", "one"));
    await looked;
    const heard = hear(cluster.client().event$());
    await heard.first("listening");
    expect(await cluster.entries()).toBe(2);
  });

  it("reports what a subscriber throws, and harms no other", async () => {
    const thrown: unknown[] = [];
    const events = cluster.client({ report: (error) => thrown.push(error) });
    const broken = events.event$().subscribe((event) => {
      throw new Error(event.type);
    });
    const heard = hear(events.event$());
    await heard.first("listening");
    const worker = cluster.worker("one");
    worker.say(started("7", "one"));
    worker.say(succeeded(1), succeeded(2));
    await heard.until(() => heard.ids().length === 2);
    broken.unsubscribe();
    await vi.waitFor(() =>
      expect(thrown.map(String)).toEqual([
        "Error: listening",
        "Error: started",
        "Error: succeeded",
        "Error: succeeded",
      ]),
    );
  });

  it("says why it is deaf where the schema is not migrated, and never errors", async () => {
    await cluster.database.pool.query("alter table millrace.subscribers rename to hidden");
    const heard = hear(cluster.client().event$());
    const deaf = await heard.first("deaf");
    await cluster.database.pool.query("alter table millrace.hidden rename to subscribers");
    expect(deaf).toMatchObject({ error: { name: "SchemaError" } });
    await heard.first("listening");
    expect(heard.types()).toEqual(["deaf", "gap", "listening"]);
  });
});
