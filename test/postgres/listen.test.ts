import { setImmediate } from "node:timers/promises";
import { config, share } from "rxjs";
import { describe, expect, it } from "vitest";
import { listen } from "../../src/postgres/listen.ts";
import { usePostgres } from "../support/postgres.ts";
import { listenDatabase } from "./listen-database.ts";
import { payload, record } from "./listen-recorder.ts";

const NAME = "millrace listen test";

describe("listen", () => {
  const { connectionString, pool } = usePostgres();
  const database = listenDatabase(connectionString, pool);

  it("tells that it listens, then every notification of other connections, and no nonce", async () => {
    using recorder = record(listen(database.options(NAME)));
    await recorder.next("listen-restored");

    await database.notify(NAME, "one");
    await database.notify("another channel", "elsewhere");
    await database.notify(NAME, "two");
    await recorder.next(payload("two"));

    expect(recorder.events).toEqual([
      { type: "listen-restored" },
      { type: "notified", payload: "one" },
      { type: "notified", payload: "two" },
    ]);
  });

  it("tells that it listens within 100 ms, so that work sent before is found soon", async () => {
    using warmUp = record(listen(database.options(NAME)));
    await warmUp.next("listen-restored");
    const start = performance.now();
    using recorder = record(listen(database.options(NAME)));
    await recorder.next("listen-restored");
    expect(performance.now() - start).toBeLessThan(100);
  });

  it.for([
    "error",
    "newListener",
    "select",
    'My "jobs"',
    "Ünï-c'ode; drop table x",
    "w:1",
    "true",
    "$1 %I",
    "ü".repeat(31),
  ])("listens on a channel called %s", async (channel) => {
    using recorder = record(listen({ ...database.options(NAME), channel }));
    await recorder.next("listen-restored");
    await database.notify(channel, "hello");
    await recorder.next(payload("hello"));
    expect(recorder.count("listen-lost")).toBe(0);
  });

  it("passes on any payload as it is", async () => {
    const garbage = [
      "",
      "{",
      '{"a":',
      "null",
      "[]",
      "w:",
      "w:deadbeef",
      "'; drop table x; --",
      "\u0001\u{1F600}",
      "x".repeat(7_999),
    ];
    using recorder = record(listen(database.options(NAME)));
    await recorder.next("listen-restored");
    for (const text of garbage) await database.notify(NAME, text);
    await database.notify(NAME, "end");
    await recorder.next(payload("end"));
    expect(recorder.payloads()).toEqual([...garbage, "end"]);
    expect(recorder.count("listen-lost")).toBe(0);
  });

  it("listens again each of 40 times that its connection is terminated", async () => {
    using recorder = record(listen(database.options(NAME)));
    await recorder.next("listen-restored");
    for (let round = 0; round < 40; round += 1) {
      await database.terminate(NAME);
      await recorder.next("listen-lost");
      await recorder.next("listen-restored");
    }
    await database.notify(NAME, "final");
    await recorder.next(payload("final"));

    expect(recorder.count("listen-lost")).toBe(40);
    expect(recorder.count("listen-restored")).toBe(41);
    expect(await database.pids(NAME)).toHaveLength(1);
  });

  it("keeps one connection per subscriber", async () => {
    const event$ = listen(database.options(NAME));
    using first = record(event$);
    using second = record(event$);
    await Promise.all([first.next("listen-restored"), second.next("listen-restored")]);
    expect(await database.pids(NAME)).toHaveLength(2);
  });

  it("connects with the password of a pool, which hides it from enumeration", async () => {
    const { hostname: host, port, username: user, password, pathname } = new URL(connectionString);
    const where = { host, port: Number(port || 5432), user, database: decodeURIComponent(pathname.slice(1)) };
    const connection = { ...where, application_name: NAME };
    Object.defineProperty(connection, "password", { value: password, enumerable: false });
    using recorder = record(listen({ ...database.options(NAME), connection }));
    await recorder.next("listen-restored");
  });

  it("leaves no connection, at whatever moment it is unsubscribed", async () => {
    for (let turns = 0; turns < 60; turns += 1) {
      const recorder = record(listen(database.options(NAME)));
      for (let turn = 0; turn < turns; turn += 1) await setImmediate();
      recorder[Symbol.dispose]();
    }
    await database.gone(NAME);
  });

  it("leaves no connection, at whatever moment of a reconnect it is unsubscribed", async () => {
    for (let turns = 0; turns < 30; turns += 1) {
      const recorder = record(
        listen({ ...database.options(NAME), backoff: { initialMs: 0, factor: 1, maxMs: 0, jitter: 0 } }),
      );
      await recorder.next("listen-restored");
      await database.terminate(NAME);
      await recorder.next("listen-lost");
      for (let turn = 0; turn < turns; turn += 1) await setImmediate();
      recorder[Symbol.dispose]();
    }
    await database.gone(NAME);
  });

  it("goes on when its subscriber throws", async () => {
    const thrown: unknown[] = [];
    config.onUnhandledError = (error) => thrown.push(error);
    const event$ = listen(database.options(NAME)).pipe(share());
    const subscription = event$.subscribe((event) => {
      throw new Error(event.type);
    });
    try {
      using recorder = record(event$);
      await recorder.next("listen-restored");
      await database.notify(NAME, "one");
      await database.notify(NAME, "two");
      await recorder.next(payload("two"));
      expect(recorder.count("listen-lost")).toBe(0);
      await expect
        .poll(() => thrown.map(String))
        .toEqual(["Error: listen-restored", "Error: notified", "Error: notified"]);
    } finally {
      config.onUnhandledError = null;
      subscription.unsubscribe();
    }
  });
});
