import { NEVER, Subject, asyncScheduler, concat, filter, from, map, merge, tap, timer } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, expectTypeOf, it } from "vitest";
import { circuitBreaker } from "../../src/circuit-breaker.ts";
import { OptionError } from "../../src/core/errors.ts";
import type { WorkerEvent } from "../../src/core/events.ts";
import type { ClusterEvent } from "../../src/events/cluster-event.ts";
import { anEvent, marbles, virtualWorker } from "../../src/testing/index.ts";
import { withMarbles } from "../support/marbles.ts";

const OPTIONS = { failures: 3, ratio: 0.5, windowMs: 10, coolDownMs: 10 };

const EVENTS: Readonly<Record<string, WorkerEvent>> = {
  s: anEvent("succeeded"),
  f: anEvent("failed"),
  r: anEvent("retry-scheduled"),
  // Of attempts that took some time.
  S: anEvent("succeeded", { durationMs: 5 }),
  F: anEvent("failed", { durationMs: 5 }),
  // What says nothing of the service.
  a: anEvent("attempt-started"),
  z: anEvent("snoozed"),
  c: anEvent("claim-failed"),
};

const CAPACITIES = { t: true, o: false, 1: 1 };

/** Compares what the breaker makes of events with what is expected. */
function expectCapacity(event$: string, result: string, options: object = {}): void {
  withMarbles(({ hot, expectObservable }) => {
    const capacity$ = hot(event$, EVENTS).pipe(circuitBreaker({ ...OPTIONS, ...options }));
    expectObservable(capacity$, `${"-".repeat(60)}!`).toBe(result, CAPACITIES);
  });
}

describe("circuitBreaker", () => {
  it("opens when attempts keep failing, tries again after a while, and closes after a success", () => {
    const event$ = "s---s-f-ff----------f-----f----------s---";
    const result = "t--------o---------1o---------1------t---";
    expectCapacity(event$, result);
  });

  it("takes a failure that is tried again for a failure, and nothing else", () => {
    expectCapacity("-rfr----", "t--o---------1");
    expectCapacity("-zacazcc", "t-------------");
  });

  it("forgets what failed longer ago than the window", () => {
    expectCapacity("-f-------ff---", "t---------o---------1");
    expectCapacity("-f---------ff-", "t--------------");
  });

  it("stays closed while too small a part fails, however many do", () => {
    expectCapacity("(ssss)-f-f-f", "t----------", { windowMs: 100 });
    expectCapacity("(sss)--f-f-f", "t----------o---------1", { windowMs: 100 });
  });

  it("opens by the number alone with a ratio of 0, and only if all fail with one of 1", () => {
    expectCapacity("(ssssss)f-f-f", "t-----------o---------1", { ratio: 0 });
    expectCapacity("(fff)s", "(to)------1", { ratio: 1 });
    expectCapacity("sfff-", "t", { ratio: 1 });
  });

  it("counts anew after it has closed", () => {
    expectCapacity("fff----------s-ff---f-", "t-o---------1t------o---------1");
  });

  it("does not count what ends while it is open", () => {
    expectCapacity("fff-sss-fff----", "t-o---------1--");
  });

  it("does not take the end of an attempt from before the probe for the probe", () => {
    // Half-open from 12 on: the first S and F began at 9 and 11, the last at 13.
    expectCapacity("fff-----------S-F-S-", "t-o---------1-----t-");
    expectCapacity("fff-----------S-S-F-", "t-o---------1-----o---------1");
  });

  it("ends with its source, in whatever state", () => {
    expectCapacity("|", "(t|)");
    expectCapacity("-s|", "t-|");
    expectCapacity("fff--|", "t-o--|");
    expectCapacity("fff----------|", "t-o---------1|");
    withMarbles(({ hot, expectObservable }) => {
      const ends = ["-#", "fff--#", "fff----------#"].map((text) =>
        hot(text, EVENTS).pipe(circuitBreaker(OPTIONS)),
      );
      const told = ["t#", "t-o--#", "t-o---------1#"];
      for (const [index, result$] of ends.entries()) {
        expectObservable(result$).toBe(told[index] ?? "", CAPACITIES);
      }
    });
  });

  it("leaves its source and its timer when it is unsubscribed, and starts over for each subscriber", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold("fff-----", EVENTS);
      const capacity$ = source$.pipe(circuitBreaker(OPTIONS));
      expectObservable(capacity$, "^----!").toBe("t-o---", CAPACITIES);
      expectObservable(capacity$, "----^---------------!").toBe("----t-o---------1----", CAPACITIES);
      expectSubscriptions(source$.subscriptions).toBe(["^----!", "----^---------------!"]);
    });
  });

  it("hears a probe that ends in the same call, and tells what came of it last", () => {
    withMarbles(({ hot, expectObservable }) => {
      const event$ = new Subject<WorkerEvent>();
      const capacity$ = event$.pipe(
        circuitBreaker(OPTIONS),
        tap((capacity) => capacity === 1 && event$.next(anEvent("succeeded"))),
      );
      expectObservable(capacity$, `${"-".repeat(20)}!`).toBe("t--o---------(1t)", CAPACITIES);
      hot("-fff", EVENTS).subscribe(event$);
    });
  });

  it.each([
    ["failures", 0, "an integer from 1 up"],
    ["failures", 1.5, "an integer from 1 up"],
    ["ratio", -0.1, "a number from 0 to 1"],
    ["ratio", Number.NaN, "a number from 0 to 1"],
    ["windowMs", 0, "a number of milliseconds from 1 to"],
    ["coolDownMs", Infinity, "a number of milliseconds from 1 to"],
  ])("refuses %s of %s", (name, value, rule) => {
    expect(() => circuitBreaker({ [name]: value })).toThrow(OptionError);
    expect(() => circuitBreaker({ [name]: value })).toThrow(`\`${name}\` to be ${rule}`);
  });

  it("has defaults that a few failures of a busy worker do not trip", () => {
    withMarbles(({ expectObservable }) => {
      const busy$ = concat(
        from(Array.from({ length: 95 }, () => anEvent("succeeded"))),
        from(Array.from({ length: 5 }, () => anEvent("failed"))),
      );
      const down$ = from(Array.from({ length: 5 }, () => anEvent("retry-scheduled")));
      const stop = `${"-".repeat(40)} 30s !`;
      expectObservable(merge(busy$, NEVER).pipe(circuitBreaker()), stop).toBe("t", CAPACITIES);
      expectObservable(merge(down$, NEVER).pipe(circuitBreaker({ failures: undefined })), stop).toBe(
        "(to) 29996ms 1",
        CAPACITIES,
      );
    });
  });

  it("takes events of one worker and of all", () => {
    const ofWorker$: Observable<WorkerEvent<"mail">> = NEVER;
    const ofAll$: Observable<ClusterEvent<"mail">> = NEVER;
    expectTypeOf(ofWorker$.pipe(circuitBreaker())).toEqualTypeOf<Observable<number | boolean>>();
    expectTypeOf(ofAll$.pipe(circuitBreaker())).toEqualTypeOf<Observable<number | boolean>>();
  });
});

describe("circuitBreaker as the capacity of a worker, fed with the events of that worker", () => {
  /** What happens to six jobs that call a service which is down for seven seconds. */
  function attempts(
    breaker: (event$: Observable<WorkerEvent>) => Observable<number | boolean>,
  ): Observable<WorkerEvent> {
    const event$ = new Subject<WorkerEvent>();
    const call = (): Observable<string> =>
      timer(100).pipe(
        map(() => {
          if (asyncScheduler.now() < 7_000) throw new Error("the service is down");
          return "ok";
        }),
      );
    const worker = virtualWorker({
      concurrency: 2,
      maxAttempts: 2,
      backoff: { initialMs: 1_000, factor: 1 },
      handlers: { call },
      capacity$: breaker(event$),
    });
    for (const n of [1, 2, 3, 4, 5, 6]) worker.enqueue("call", n);
    return worker.event$.pipe(tap(event$));
  }

  it("spares jobs their attempts while a service is down, and lets them run when it is up", () => {
    marbles(({ expectEvents }) => {
      expectEvents(attempts(circuitBreaker({ failures: 2, coolDownMs: 5_000 }))).toBe(
        // two fail, one runs already, one tries and fails, one tries and does not, and the rest
        "(aa) 100ms (rar) 100ms r 4900ms a 100ms f 5s a 100ms (asa) 100ms (sasa) 100ms (ss) 1m",
      );
    });
  });

  it("is what spares them: without it all of them fail", () => {
    marbles(({ expectEvents }) => {
      const failed$ = attempts(() => NEVER).pipe(filter(({ type }) => type === "failed"));
      expectEvents(failed$).toBe("1200ms (ff) 100ms (ff) 100ms (ff) 1m");
    });
  });
});
