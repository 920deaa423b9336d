import {
  EMPTY,
  NEVER,
  concat,
  concatMap,
  delay,
  from,
  lastValueFrom,
  map,
  of,
  take,
  takeUntil,
  throwError,
  timer,
  toArray,
} from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import { PayloadError } from "../../src/core/errors.ts";
import type { WorkerEvent } from "../../src/core/events.ts";
import { FixtureError, anEvent, marbles, record, replay, virtualWorker } from "../../src/testing/index.ts";
import type { Fixture, RecordOptions } from "../../src/testing/index.ts";

const JOB = { job: { kind: "mill" } };

/** Records a stream in virtual time. */
function recorded(
  event$: (helpers: { cold: (text: string) => Observable<string> }) => Observable<WorkerEvent>,
  options?: RecordOptions,
): Fixture {
  const fixtures: Fixture[] = [];
  marbles(({ cold, expectObservable }) => {
    const fixture$ = record(event$({ cold }), options);
    expectObservable(
      fixture$.pipe(
        map((fixture) => fixtures.push(fixture)),
        take(0),
      ),
    ).toBe("|");
    void fixture$.forEach((fixture) => fixtures.push(fixture));
  });
  const [fixture] = fixtures;
  if (fixture === undefined) throw new Error("Nothing was recorded");
  return fixture;
}

const EVENTS: Readonly<Record<string, WorkerEvent>> = {
  a: anEvent("attempt-started", JOB),
  r: anEvent("retry-scheduled", { ...JOB, error: { name: "Error", message: "dry", stack: "at /home/me" } }),
  p: anEvent("progress", { ...JOB, value: { done: 1 } }),
  s: anEvent("succeeded", { ...JOB, result: { secret: 1 } }),
  S: anEvent("started", { label: "my-laptop-4711" }),
};

const played =
  (text: string) =>
  ({ cold }: { cold: (text: string) => Observable<string> }): Observable<WorkerEvent> =>
    cold(text).pipe(map((letter) => EVENTS[letter] as WorkerEvent));

describe("record", () => {
  it("keeps each event and when it came", () => {
    expect(recorded(played("(Sa) 8ms r 9s (as|)"))).toMatchObject({
      format: "millrace-events",
      version: 1,
      marbles: "a 12ms r 9001ms (as|)",
      events: [
        [0, { type: "started" }],
        [0, { type: "attempt-started" }],
        [12, { type: "retry-scheduled" }],
        [9_013, { type: "attempt-started" }],
        [9_013, { type: "succeeded" }],
      ],
      end: { ms: 9_013 },
    });
  });

  it("keeps an empty run, an error, and what was cut", () => {
    expect(recorded(() => EMPTY)).toMatchObject({ marbles: "|", events: [], end: { ms: 0 } });
    expect(recorded(played("--#"))).toMatchObject({
      marbles: "2ms #",
      end: { ms: 2, error: { name: "NonError", message: "error" } },
    });
    expect(recorded(() => NEVER.pipe(takeUntil(timer(5_000))))).toMatchObject({ marbles: "5s |" });
  });

  it("leaves out results, progress, stacks and the name of the machine", () => {
    const text = JSON.stringify(recorded(played("(Sarps|)")));
    for (const secret of ["secret", "done", "/home/me", "my-laptop"]) expect(text).not.toContain(secret);
  });

  it("keeps results and progress when asked to", () => {
    const { events } = recorded(played("(ps|)"), { results: true });
    expect(events.map(([, event]) => event)).toMatchObject([
      { value: { done: 1 } },
      { result: { secret: 1 } },
    ]);
  });

  it("errors for a result that is no JSON", async () => {
    const event$ = of(anEvent("succeeded", { ...JOB, result: new Map() }));
    await expect(lastValueFrom(record(event$, { results: true }))).rejects.toThrow(PayloadError);
    const { events } = await lastValueFrom(record(event$));
    expect(events).toMatchObject([[expect.any(Number), { type: "succeeded" }]]);
  });

  it("is JSON, and unsubscribes when it is unsubscribed", () => {
    const fixture = recorded(played("(arps|)"), { results: true });
    expect(JSON.parse(JSON.stringify(fixture))).toEqual(fixture);
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold<WorkerEvent>("-");
      expectObservable(record(source$), "^--!").toBe("");
      expectSubscriptions(source$.subscriptions).toBe("^--!");
    });
  });
});

describe("replay", () => {
  it("plays what was recorded at the same times, also after a round through JSON", () => {
    const fixture: unknown = JSON.parse(JSON.stringify(recorded(played("(Sa) 8ms r 9s (as|)"))));
    marbles(({ expectEvents, expectObservable }) => {
      expectEvents(replay(fixture)).toBe("a 12ms r 9001ms (as|)");
      expectObservable(replay(fixture).pipe(map(({ type }) => type[0])), "^ 11ms !").toBe("(sa)");
      // Cold: later subscribers see all of it, too.
      expectObservable(
        replay(fixture).pipe(
          map(({ type }) => type[0]),
          delay(0),
        ),
        "5ms ^",
      ).toBe("5ms (sa) 8ms r 9s (as|)");
    });
  });

  it("errors as the recorded stream did", () => {
    const fixture = recorded(() =>
      concat(
        of(EVENTS["a"] as WorkerEvent),
        timer(5).pipe(concatMap(() => throwError(() => new TypeError("dry")))),
      ),
    );
    marbles(({ expectEvents, expectObservable }) => {
      expectEvents(replay(fixture)).toBe("a 5ms #");
      expectObservable(replay({ ...fixture, events: [] })).toBe(
        "-----#",
        {},
        expect.objectContaining({ name: "TypeError", message: "dry" }),
      );
    });
  });

  it("plays in real time elsewhere, many events of one moment too", async () => {
    const events = Array.from({ length: 20_000 }, () => [1, EVENTS["a"]] as const);
    const fixture = { format: "millrace-events", version: 1, marbles: "", events, end: { ms: 2 } };
    expect(await lastValueFrom(replay(fixture).pipe(toArray()))).toHaveLength(20_000);
  });

  it("plays a run of a worker", () => {
    const fixtures: Fixture[] = [];
    marbles(() => {
      const worker = virtualWorker({ handlers: { mill: () => timer(5) } });
      worker.enqueue("mill", {});
      worker.shutdown("1s");
      void record(worker.event$).forEach((fixture) => fixtures.push(fixture));
    });
    expect(fixtures[0]?.marbles).toBe("a 5ms s 995ms (D|)");
    marbles(({ expectEvents }) =>
      expectEvents(from(fixtures).pipe(concatMap(replay))).toBe("a 5ms s 995ms (D|)"),
    );
  });

  const good = {
    format: "millrace-events",
    version: 1,
    marbles: "|",
    events: [[1, EVENTS["a"]]],
    end: { ms: 5 },
  };
  it.each([
    [
      { version: 2 },
      "The fixture has version 2 (number), and this millrace replays version 1: record it again",
    ],
    [{ version: undefined }, "The fixture has version undefined"],
    [{ format: "other" }, 'Expected `format` of the fixture to be "millrace-events", got "other" (string)'],
    [{ events: {} }, "Expected `events` of the fixture to be an array, got an object"],
    [{ events: [5] }, "Expected `events[0]` of the fixture to be a pair"],
    [
      { events: [[-1, EVENTS["a"]]] },
      "Expected `events[0][0]` of the fixture to be a number from 0 up, got -1",
    ],
    [
      {
        events: [
          [5, EVENTS["a"]],
          [4, EVENTS["a"]],
        ],
      },
      "Expected `events[1][0]` of the fixture to be a number from 5 up",
    ],
    [
      { events: [[1, { type: "milled" }]] },
      'Expected `events[0][1].type` of the fixture to be a type of event that this millrace knows, got "milled"',
    ],
    [
      { events: [[1, { type: "failed", job: { id: 5 } }]] },
      "Expected `events[0][1].job.id` of the fixture to be a text",
    ],
    [{ events: [[1, { type: "failed", error: {} }]] }, "Expected `events[0][1].error.name` of the fixture"],
    [{ end: { ms: 0 } }, "Expected `end.ms` of the fixture to be a number from 1 up, got 0"],
    [{ end: undefined }, "Expected `end` to be an object, got undefined"],
    [{ end: { ms: 5, error: "dry" } }, "Expected `end.error` to be an object"],
  ])("refuses %j", (change, told) => {
    expect(() => replay({ ...good, ...change })).toThrow(FixtureError);
    expect(() => replay({ ...good, ...change })).toThrow(told);
  });

  it.each([undefined, null, "{}", []])("refuses %j", (fixture) => {
    expect(() => replay(fixture)).toThrow("Expected the fixture to be an object");
  });
});
