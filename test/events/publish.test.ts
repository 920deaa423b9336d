import { NEVER, Subject, asyncScheduler, map, mergeMap, of, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { describe, expect, it, vi } from "vitest";
import type { WorkerEvent } from "../../src/core/events.ts";
import { decode } from "../../src/events/codec.ts";
import { publish } from "../../src/events/publish.ts";
import type { PublishSetup } from "../../src/events/publish.ts";
import { started, succeeded } from "./fixtures.ts";

/** Runs a test in virtual time. */
function virtually(test: (helpers: Parameters<Parameters<TestScheduler["run"]>[0]>[0]) => void): void {
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(test);
}

const SETUP: PublishSetup = {
  stream: "s",
  label: "one",
  look: () => of([{}]),
  hint$: NEVER,
  send: () => of(undefined),
  delayMs: (n) => 10 * n,
  random: () => 0.5,
};

/** Ids of the jobs in texts, and `n` for a text without events. */
function idsOf(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) => {
    const chunk = decode(text);
    if (typeof chunk !== "object") throw new Error("Expected a chunk");
    if (chunk.events.length === 0) return ["n"];
    return chunk.events.map((event) => ("job" in event ? event.job.id : event.type));
  });
}

/** A sender that keeps what it was given and answers as it is told, call by call. */
function sender(answers: readonly (() => Observable<unknown>)[], rest = (): Observable<unknown> => of(1)) {
  const sent: (readonly string[])[] = [];
  const send = (texts: readonly string[]): Observable<unknown> => {
    sent.push(texts);
    return (answers[sent.length - 1] ?? rest)();
  };
  return { send, sent };
}

const EVENTS: Record<string, WorkerEvent> = {
  s: started("7", "one"),
  a: succeeded(1),
  b: succeeded(2),
  c: succeeded(3),
  d: succeeded(4),
  e: succeeded(5),
};

describe("publish", () => {
  it("passes events on at once, and sends those together that gathered while it sent others", () => {
    const { send, sent } = sender([], () => timer(4));
    virtually(({ cold, expectObservable, flush }) => {
      const event$ = cold("  s-abcd---------e------|", EVENTS);
      const result = "       s-abcd---------e------|";
      expectObservable(event$.pipe(publish({ ...SETUP, send }))).toBe(result, EVENTS);
      flush();
    });
    expect(sent.map(idsOf)).toEqual([["started"], ["1", "2", "3", "4"], ["5"]]);
  });

  it("keeps what happens before it is known what is wanted, and sends what is", () => {
    const { send, sent } = sender([]);
    const look = (): Observable<[{ types: ["succeeded"] }]> =>
      timer(3).pipe(map(() => [{ types: ["succeeded"] }]));
    virtually(({ cold, expectObservable, flush }) => {
      const event$ = cold("s-ab-----c-------|", EVENTS);
      expectObservable(event$.pipe(publish({ ...SETUP, send, look }))).toBe("s-ab-----c-------|", EVENTS);
      flush();
    });
    expect(sent.map(idsOf)).toEqual([["1", "2"], ["3"]]);
  });

  it("sends nothing while nobody wants anything, looks at hints and in intervals, and stops with its source", () => {
    const { send, sent } = sender([]);
    const looks: number[] = [];
    virtually(({ cold, hot, expectObservable, flush }) => {
      const event$ = cold("s 6999ms a 5s |", EVENTS);
      const hint$ = hot("  - 5999ms h---");
      const look = (): Observable<[]> => {
        looks.push(asyncScheduler.now());
        return of([]);
      };
      expectObservable(event$.pipe(publish({ ...SETUP, send, look, hint$ }))).toBe("s 6999ms a 5s |", EVENTS);
      flush();
    });
    expect(looks).toEqual([0, 5_000, 6_000, 10_000]);
    expect(sent).toEqual([]);
  });

  it("tells the first failure, and sends again until it succeeds, with the same numbers", () => {
    const fail = (): Observable<never> => timer(1).pipe(mergeMap(() => throwError(() => new Error("down"))));
    const { send, sent } = sender([() => of(1), fail, fail]);
    const failed = {
      type: "publish-failed",
      error: { name: "Error", message: "down", stack: expect.any(String) },
      retryInMs: 10,
    };
    virtually(({ cold, expectObservable, flush }) => {
      const event$ = cold("s----a-b-- 100ms |", EVENTS);
      expectObservable(event$.pipe(publish({ ...SETUP, send }))).toBe("s----afb-- 100ms |", {
        ...EVENTS,
        f: failed,
      });
      flush();
    });
    expect(sent.map(idsOf)).toEqual([["started"], ["1"], ["1", "2"], ["1", "2"]]);
    expect(sent.slice(1).map(([text]) => decode(text ?? ""))).toMatchObject([
      { first: 2 },
      { first: 2 },
      { first: 2 },
    ]);
  });

  it("gives up a batch that fails ten times, and goes on behind its numbers", () => {
    const fail = (): Observable<never> => timer(1).pipe(mergeMap(() => throwError(() => new Error("no"))));
    const { send, sent } = sender(Array.from({ length: 10 }, () => fail));
    virtually(({ cold, expectObservable, flush }) => {
      const event$ = cold("s 2s a 100ms |", EVENTS);
      expectObservable(event$.pipe(publish({ ...SETUP, send }))).toBe("sf 1999ms a 100ms |", {
        ...EVENTS,
        f: expect.objectContaining({ type: "publish-failed" }),
      });
      flush();
    });
    expect(sent).toHaveLength(11);
    expect(decode(sent[10]?.[0] ?? "")).toMatchObject({ first: 2 });
  });

  it("keeps the latest 20,000 events while Postgres does not answer, and the numbers tell how many are gone", async () => {
    const answer$ = new Subject<void>();
    const { send, sent } = sender([() => answer$]);
    const said$ = new Subject<WorkerEvent>();
    const subscription = said$.pipe(publish({ ...SETUP, send })).subscribe();
    said$.next(started("7", "one"));
    for (let id = 1; id <= 60_000; id += 1) said$.next(succeeded(id));
    answer$.complete();
    await vi.waitFor(() => expect(sent).toHaveLength(2));
    subscription.unsubscribe();
    const texts = sent[1] ?? [];
    const count = idsOf(texts).length;
    expect(count).toBeGreaterThanOrEqual(20_000);
    expect(count).toBeLessThan(25_000);
    // The first number is that of `started`.
    expect(decode(texts[0] ?? "")).toMatchObject({ first: 1 + 1 + 60_000 - count });
    expect(idsOf(texts).at(-1)).toBe("60000");
  });

  it("waits for its last events when the source ends, but not for ever", () => {
    virtually(({ cold, expectObservable }) => {
      const event$ = cold("s-a|", EVENTS);
      expectObservable(event$.pipe(publish({ ...SETUP, send: () => timer(20) }))).toBe("s-a 37ms |", EVENTS);
      expectObservable(event$.pipe(publish({ ...SETUP, send: () => NEVER }))).toBe("s-a 500ms |", EVENTS);
      expectObservable(event$.pipe(publish({ ...SETUP, look: () => of([]) }))).toBe("s-a|", EVENTS);
    });
  });

  it("sends what it held for a look that comes too late for the end, to those it knew of", () => {
    const { send, sent } = sender([]);
    let looks = 0;
    const look = (): Observable<[{ types: ["succeeded"] }]> =>
      timer((looks += 1) === 1 ? 0 : 100).pipe(map(() => [{ types: ["succeeded"] }]));
    virtually(({ cold, hot, expectObservable, flush }) => {
      const event$ = cold("s---a-b|", EVENTS);
      const hint$ = hot("  -----h-");
      expectObservable(event$.pipe(publish({ ...SETUP, send, look, hint$ }))).toBe("s---a-b|", EVENTS);
      flush();
    });
    expect(sent.map(idsOf).flat()).toEqual(["1", "2"]);
  });

  it("passes an error of its source on, and leaves nothing behind when it is unsubscribed", () => {
    virtually(({ cold, hot, expectObservable, expectSubscriptions }) => {
      expectObservable(cold("s-#", EVENTS).pipe(publish(SETUP))).toBe("s-#", EVENTS);
      const hint$ = hot("-----");
      const event$ = cold("s-a-b-", EVENTS);
      expectObservable(event$.pipe(publish({ ...SETUP, hint$ })), "---!").toBe("s-a", EVENTS);
      expectSubscriptions(hint$.subscriptions).toBe("^--!");
      expectSubscriptions(event$.subscriptions).toBe("^--!");
    });
  });

  it("tells a failing look once in a row, and publishes as before meanwhile", () => {
    const { send, sent } = sender([]);
    let looks = 0;
    virtually(({ cold, expectObservable, flush }) => {
      const look = (): Observable<[{}]> => {
        looks += 1;
        return looks === 2 || looks === 3 ? throwError(() => new Error("down")) : of([{}]);
      };
      const event$ = cold("s 11s a 5s |", EVENTS);
      const failed = expect.objectContaining({ type: "publish-failed", retryInMs: 5_000 }) as unknown;
      expectObservable(event$.pipe(publish({ ...SETUP, send, look }))).toBe("s 4999ms f 6s a 5s |", {
        ...EVENTS,
        f: failed,
      });
      flush();
    });
    expect(sent.map(idsOf)).toEqual([["started"], ["1"]]);
  });

  it("numbers events of the worker's next incarnation on, under its new id", () => {
    const { send, sent } = sender([() => timer(20)]);
    virtually(({ cold, expectObservable, flush }) => {
      const said = { ...EVENTS, t: started("8", "one"), p: { type: "listen-restored" } as const };
      expectObservable(cold("ps-a-t-b 90ms |", said).pipe(publish({ ...SETUP, send }))).toBe(
        "ps-a-t-b 90ms |",
        said,
      );
      flush();
    });
    expect(sent.flat().map((text) => decode(text))).toMatchObject([
      { first: 1, worker: { id: "7" }, events: [{ type: "listen-restored" }, { type: "started" }] },
      { first: 3, worker: { id: "7" }, events: [{ type: "succeeded" }] },
      { first: 4, worker: { id: "8" }, events: [{ type: "started" }, { type: "succeeded" }] },
    ]);
  });
});
