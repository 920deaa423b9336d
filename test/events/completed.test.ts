import { NEVER, defer, of, throwError } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import type { ClusterEvent } from "../../src/events/cluster-event.ts";
import { completedFrom } from "../../src/events/completed.ts";
import type { CompletedPage, CompletedSetup } from "../../src/events/completed.ts";
import { cursorText } from "../../src/events/cursor.ts";
import { createTurns } from "../../src/rx/turns.ts";
import { withMarbles } from "../support/marbles.ts";
import { succeeded } from "./fixtures.ts";

const IDENTITY = "0b9f7a52-6a3c-4b2e-9d53-1f0c5a7e8d11";
const worker = { id: "7", label: "one" };

/** A page of jobs whose ids are ten times their positions. */
function page(positions: readonly number[], more: Partial<CompletedPage> = {}): CompletedPage {
  const jobs = positions.map((position) => ({
    id: String(position * 10),
    kind: position % 2 === 0 ? "even" : "odd",
    queue: "default",
    source: null,
    attempt: 1,
    maxAttempts: 3,
    workerId: "7",
    workerLabel: "one",
    durationMs: 1,
    position,
  }));
  return { identity: IDENTITY, last: 100, expired: 0, jobs, more: false, ...more };
}

/** What comes of a job at a position. */
function read(position: number): ClusterEvent {
  const kind = position % 2 === 0 ? "even" : "odd";
  return {
    ...succeeded(position * 10, { kind }),
    kept: true,
    worker,
    cursor: cursorText({ identity: IDENTITY, position }),
  } as ClusterEvent;
}

const heard: Record<string, ClusterEvent> = {
  l: { type: "listening" },
  s: { ...succeeded(1), worker },
  K: { ...succeeded(2), kept: true, worker } as ClusterEvent,
  d: { type: "deaf", error: { name: "Error", message: "gone" } },
};

const told: Record<string, ClusterEvent> = {
  ...heard,
  g: { type: "gap" },
  1: read(1),
  2: read(2),
  3: read(3),
  4: read(4),
  5: read(5),
  6: read(6),
};

/** Answers each read with the next of these, and keeps what was asked for. */
function pages(answers: readonly (CompletedPage | Observable<CompletedPage>)[]): {
  readonly read: CompletedSetup["read"];
  readonly asked: (number | undefined)[];
} {
  const asked: (number | undefined)[] = [];
  return {
    asked,
    read: (after) =>
      defer(() => {
        asked.push(after);
        const answer = answers[asked.length - 1] ?? page([]);
        return "identity" in answer ? of(answer) : answer;
      }),
  };
}

const setup = (more: Partial<CompletedSetup> & Pick<CompletedSetup, "read">): CompletedSetup => ({
  from: { identity: IDENTITY, position: 0 },
  wanted: () => true,
  readIntervalMs: 1_000,
  delayMs: () => 5,
  isFatal: () => false,
  turns: createTurns(() => () => true),
  ...more,
});

describe("completedFrom", () => {
  it("reads what there is, then lets through what is heard and reads when that says so", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const later = (answer: CompletedPage): Observable<CompletedPage> => cold("----(p|)", { p: answer });
      const { read: reads, asked } = pages([
        later(page([1, 2], { more: true })),
        later(page([3])),
        later(page([])),
        later(page([4])),
        later(page([5, 6])),
      ]);
      const source$ = cold<ClusterEvent>("        -l------s-K---------K-----", heard);
      const result = "                    ----(12)3l------s-----4---------(56)";
      expectObservable(source$.pipe(completedFrom(setup({ read: reads }))), "40ms !").toBe(result, told);
      expectSubscriptions(source$.subscriptions).toBe("8ms ^ 31ms !");
      flush();
      expect(asked).toEqual([0, 2, 3, 3, 4]);
    });
  });

  it("reads again after a while where another reader holds what there is", () => {
    withMarbles(({ cold, expectObservable }) => {
      const held = page([], { more: true });
      const { read: reads } = pages([page([]), held, held, page([1])]);
      const source$ = cold<ClusterEvent>("K", heard);
      const result$ = source$.pipe(completedFrom(setup({ read: reads })));
      expectObservable(result$, "60ms !").toBe("40ms 1", told);
    });
  });

  it("keeps the order of its positions and gathers the reasons to read while it reads", () => {
    withMarbles(({ cold, expectObservable, flush }) => {
      const later = (answer: CompletedPage): Observable<CompletedPage> => cold("----(p|)", { p: answer });
      const { read: reads, asked } = pages([page([]), later(page([1])), later(page([2, 3]))]);
      const source$ = cold<ClusterEvent>("KKK------", heard);
      const result = "                    ----1---(23)";
      expectObservable(source$.pipe(completedFrom(setup({ read: reads }))), "20ms !").toBe(result, told);
      flush();
      expect(asked).toEqual([0, 0, 1]);
    });
  });

  it("reads at intervals when nothing is heard, also while it is deaf", () => {
    withMarbles(({ cold, expectObservable }) => {
      const { read: reads } = pages([page([]), page([1]), page([]), page([2])]);
      const source$ = cold<ClusterEvent>("d--------", heard);
      const result = "                    d 999ms 1 1999ms 2";
      expectObservable(source$.pipe(completedFrom(setup({ read: reads }))), "3500ms !").toBe(result, told);
    });
  });

  it("begins now: gives positions to what is there, and tells only what comes after", () => {
    withMarbles(({ cold, expectObservable, flush }) => {
      const { read: reads, asked } = pages([
        page([], { last: 1, more: true, expired: 1 }),
        page([], { last: 3, expired: 1 }),
        page([]),
        page([4]),
      ]);
      const source$ = cold<ClusterEvent>("l---K---", heard);
      const result = "                    l---4---";
      const from = "now";
      expectObservable(source$.pipe(completedFrom(setup({ from, read: reads }))), "20ms !").toBe(
        result,
        told,
      );
      flush();
      expect(asked).toEqual([undefined, undefined, 3, 3]);
    });
  });

  it("begins at the start without a gap, whatever has expired", () => {
    withMarbles(({ cold, expectObservable }) => {
      const { read: reads } = pages([page([3, 4], { expired: 2 }), page([5], { expired: 2 })]);
      const source$ = cold<ClusterEvent>("l-------", heard);
      const result = "                    (34l5)";
      const from = "start";
      expectObservable(source$.pipe(completedFrom(setup({ from, read: reads }))), "20ms !").toBe(
        result,
        told,
      );
    });
  });

  it("tells once that something expired before it was read, and not of what it had read", () => {
    withMarbles(({ cold, expectObservable }) => {
      const { read: reads } = pages([
        page([3], { expired: 2 }),
        page([], { expired: 3 }),
        page([], { expired: 5 }),
        page([6], { expired: 5 }),
      ]);
      const source$ = cold<ClusterEvent>("l---------K---------K---", heard);
      const result = "                    (g3l)-----g---------6---";
      const from = { identity: IDENTITY, position: 1 };
      expectObservable(source$.pipe(completedFrom(setup({ from, read: reads }))), "30ms !").toBe(
        result,
        told,
      );
    });
  });

  it("tells what is wanted only, and goes on after what is not", () => {
    withMarbles(({ cold, expectObservable, flush }) => {
      const { read: reads, asked } = pages([page([1, 2, 3, 4, 5]), page([])]);
      const source$ = cold<ClusterEvent>("l-------", heard);
      const result = "                    (24l)---";
      const wanted: CompletedSetup["wanted"] = (event) => "job" in event && event.job.kind === "even";
      expectObservable(source$.pipe(completedFrom(setup({ read: reads, wanted }))), "9ms !").toBe(
        result,
        told,
      );
      flush();
      expect(asked).toEqual([0, 5]);
    });
  });

  it("reads again after a failure, with what it waits for growing", () => {
    withMarbles(({ cold, expectObservable }) => {
      const broken$ = throwError(() => new Error("gone"));
      const { read: reads } = pages([broken$, broken$, page([1]), broken$, broken$, page([2])]);
      const source$ = cold<ClusterEvent>("         l-------", heard);
      const result = "                    ---------(1l)-----2";
      const delayMs = (n: number): number => n * 3;
      const result$ = source$.pipe(completedFrom(setup({ read: reads, delayMs })));
      expectObservable(result$, "30ms !").toBe(result, told);
    });
  });

  it("errors with what is fatal", () => {
    withMarbles(({ cold, expectObservable }) => {
      const { read: reads } = pages([page([1]), throwError(() => "no rights")]);
      const source$ = cold<ClusterEvent>("--l-----", heard);
      const result = "                    1-#";
      const result$ = source$.pipe(completedFrom(setup({ read: reads, isFatal: () => true })));
      expectObservable(result$).toBe(result, told, "no rights");
    });
  });

  it.each<[string, Partial<CompletedPage>]>([
    ["of another schema", { identity: IDENTITY.replace("0", "1") }],
    ["ahead of this schema", { last: 8 }],
  ])("errors for a cursor that is %s, before it tells anything", (why, more) => {
    const { read: reads } = pages([page([10], more)]);
    const errors: unknown[] = [];
    const from = { identity: IDENTITY, position: 9 };
    NEVER.pipe(completedFrom(setup({ from, read: reads }))).subscribe({
      next: () => errors.push("told something"),
      error: (error) => errors.push(error),
    });
    expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining(why) })]);
    expect(errors[0]).toBeInstanceOf(OptionError);
  });

  it("leaves its source and the read that is under way when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const slow$ = cold<CompletedPage>("---------(p|)", { p: page([1]) });
      const source$ = cold<ClusterEvent>("l-------", heard);
      const { read: reads } = pages([page([]), slow$]);
      expectObservable(source$.pipe(completedFrom(setup({ read: reads }))), "----!").toBe("l", told);
      expectSubscriptions(source$.subscriptions).toBe("^---!");
      expectSubscriptions(slow$.subscriptions).toBe("^---!");
    });
  });

  it("passes an end of its source on", () => {
    withMarbles(({ cold, expectObservable }) => {
      const result = (marbles: string): Observable<ClusterEvent> =>
        cold<ClusterEvent>(marbles, heard).pipe(completedFrom(setup({ read: pages([]).read })));
      expectObservable(result("--#")).toBe("--#");
      expectObservable(result("s-|")).toBe("s-|", told);
    });
  });
});
