import { EMPTY, NEVER, Subject, concat, concatMap, finalize, from, of, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import type { WorkerEvent } from "../../src/core/events.ts";
import { EVENT_LETTERS, anEvent, marbles } from "../../src/testing/index.ts";
import type { EventLetters } from "../../src/testing/index.ts";

const A = anEvent("attempt-started", { job: { kind: "mill" } });
const S = anEvent("succeeded", { job: { kind: "mill" } });
const D = anEvent("drained");

/** Events at times, and never an end. */
function timed(...entries: readonly (readonly [number, WorkerEvent])[]): Observable<WorkerEvent> {
  let before = 0;
  const steps = entries.map(([ms, event]) => {
    const step = { waitMs: ms - before, event };
    before = ms;
    return step;
  });
  return concat(
    from(steps).pipe(
      concatMap(({ waitMs, event }) => concat(timer(waitMs).pipe(concatMap(() => EMPTY)), of(event))),
    ),
    NEVER,
  );
}

function compare(event$: Observable<WorkerEvent>, text: string, letters?: EventLetters): void {
  marbles(({ expectEvents }) => expectEvents(event$).toBe(text, { letters }));
}

describe("expectEvents", () => {
  it("compares events with their letters, durations counted from the marble before", () => {
    compare(timed([0, A], [0, S], [10_000, A], [13_000, S]), "(as) 10s a 3s s 1m");
    compare(concat(of(A, S, D)), "(asD|)");
    compare(EMPTY, "|");
    compare(NEVER, "");
    compare(NEVER, "1m");
    compare(
      throwError(() => new Error("dry")),
      "#",
    );
  });

  it("leaves out events without a letter, and takes other letters", () => {
    const event$ = timed([5, anEvent("claimed")], [6, A], [7, anEvent("progress")]);
    compare(event$, "------a");
    compare(event$, "-----C-p", { claimed: "C", progress: "p" });
    compare(event$, "------ap", { ...EVENT_LETTERS, progress: "p" });
  });

  it("watches for as long as the marbles last, that moment included, and unsubscribes", () => {
    const event$ = timed([10, A], [20, S], [21, S]);
    compare(event$, "10ms a 10ms s");
    expect(() => compare(event$, "10ms a 10ms s 1ms")).toThrow("got s at 21ms");
    const log: number[] = [];
    marbles(({ expectEvents, cold }) => {
      const source$ = cold<WorkerEvent>("").pipe(finalize(() => log.push(1)));
      expectEvents(source$).toBe("5s");
    });
    expect(log).toEqual([1]);
  });

  it("shows what happened where events differ", () => {
    const retry = anEvent("retry-scheduled", { error: { name: "Error", message: "no water" } });
    const event$ = concat(timed([0, A], [0, retry], [10_000, A]));
    let message = "";
    try {
      compare(event$, "(ar) 10s (as) 5s");
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toBe(
      [
        "The events differ from their marbles",
        "  expected  (ar) 10s (as) 5s",
        "  actual    (ar) 10s a",
        "First difference: expected s at 10s, got nothing more",
        "       0ms  a  attempt-started, mill 1, attempt 1 of 3",
        "       0ms  r  retry-scheduled, job 1, attempt 1 of 3, after 1000 ms, Error: no water",
        "       10s  a  attempt-started, mill 1, attempt 1 of 3",
        "Still running: mill 1, attempt 1 of 3 (what waits for a promise stands still in virtual time)",
        "Letters: a attempt-started, s succeeded, r retry-scheduled",
      ].join("\n"),
    );
  });

  it("tells when a stream ended that was to end sooner, and how", () => {
    const end$ = timer(3_000).pipe(concatMap(() => throwError(() => new TypeError("dry"))));
    expect(() => compare(end$, "1s |")).toThrow("First difference: expected | at 1s, got # at 3s");
    expect(() => compare(end$, "1s |")).toThrow("3s  #  the stream errors, TypeError: dry");
    expect(() => compare(NEVER, "|")).toThrow("expected | at 0ms, got nothing more");
  });

  it("cuts long lists", () => {
    const many = Array.from({ length: 50 }, () => A);
    expect(() => compare(from(many), "")).toThrow("… and 11 more");
  });

  it("refuses marbles and letters that mean nothing", () => {
    const event$ = new Subject<WorkerEvent>();
    expect(() => compare(event$, "a 10s x")).toThrow("have x, which no event has as its letter");
    expect(() => compare(event$, "a", { succeeded: "ab" })).toThrow(
      "Expected `letters.succeeded` to be one character",
    );
    expect(() => compare(event$, "a", { succeeded: "-" })).toThrow(OptionError);
    expect(() => compare(event$, "a", { succeeded: "a", failed: "a" })).toThrow(
      "for both succeeded and failed",
    );
  });
});
