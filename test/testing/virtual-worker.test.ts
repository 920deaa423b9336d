import {
  EMPTY,
  NEVER,
  concat,
  concatMap,
  defer,
  finalize,
  interval,
  map,
  of,
  take,
  throwError,
  timer,
  toArray,
} from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, expectTypeOf, it } from "vitest";
import { PermanentError, Snooze } from "../../src/core/errors.ts";
import { payload } from "../../src/core/schema.ts";
import { EVENT_LETTERS, marbles, memoryStore, virtualWorker } from "../../src/testing/index.ts";

const JOBS = { mill: payload<{ grain: string }>(), sieve: payload<{ mesh: number }>() };
const TEN_SECONDS = { initialMs: 10_000, factor: 1 };

const dry = (): Observable<never> => throwError(() => new Error("no water"));

describe("virtualWorker", () => {
  it("says three retries, ten seconds of backoff and a stop at 25 s in one line", () => {
    marbles(({ expectEvents }) => {
      const worker = virtualWorker({
        jobs: JOBS,
        handlers: { mill: dry },
        backoff: TEN_SECONDS,
        maxAttempts: 4,
      });
      worker.enqueue("mill", { grain: "rye" });
      worker.shutdown("25s");
      expectEvents(worker.event$).toBe("(ar) 10s (ar) 10s (ar) 5s (D|)");
    });
  });

  it("fails a job when its attempts are used up, and keeps it among the failed", () => {
    marbles(({ expectEvents, flush }) => {
      const worker = virtualWorker({ jobs: JOBS, handlers: { mill: dry }, backoff: TEN_SECONDS });
      const id = worker.enqueue("mill", { grain: "rye" });
      expectEvents(worker.event$).toBe("(ar) 10s (ar) 10s (af) 1m");
      flush();
      expect(worker.store.jobs()).toMatchObject([{ id, state: "failed", attempt: 3, reason: /no water/u }]);
    });
  });

  it("says of a success whether the result is kept", () => {
    marbles(({ expectObservable }) => {
      const worker = virtualWorker({ handlers: { mill: () => of(1) }, concurrency: 1 });
      worker.enqueue("mill", null, { keepResultMs: 1_000 });
      worker.enqueue("mill", null);
      const kept$ = worker.event$.pipe(
        concatMap((event) => (event.type === "succeeded" ? [event.kept] : [])),
      );
      expectObservable(kept$, "---!").toBe("(kn)", { k: true, n: undefined });
    });
  });

  it("wakes for jobs that are enqueued while it runs, at once or when they are due", () => {
    marbles(({ at, expectEvents }) => {
      const worker = virtualWorker({
        jobs: JOBS,
        handlers: { mill: () => timer(3_000), sieve: () => of(1) },
      });
      worker.enqueue("mill", { grain: "rye" });
      at("1500ms", () => worker.enqueue("sieve", { mesh: 4 }));
      at("2500ms", () => worker.enqueue("sieve", { mesh: 4 }, { delayMs: 4_000 }));
      expectEvents(worker.event$).toBe("a 1500ms (as) 1500ms s 3500ms (as) 5s");
    });
  });

  it("takes a job that a handler enqueues", () => {
    marbles(({ expectEvents }) => {
      const worker = virtualWorker({
        jobs: JOBS,
        handlers: {
          mill: (): Observable<string> => defer(() => of(worker.enqueue("sieve", { mesh: 4 }))),
          sieve: ({ payload: { mesh } }) => timer(mesh),
        },
      });
      worker.enqueue("mill", { grain: "rye" });
      expectEvents(worker.event$).toBe("(asa) 4ms s 1s");
    });
  });

  it("snoozes, fails for good, and times out", () => {
    marbles(({ at, expectEvents }) => {
      const throws: readonly (() => Observable<unknown>)[] = [
        () => throwError(() => new Snooze(5_000)),
        () => throwError(() => new PermanentError("no")),
        () => NEVER,
      ];
      let n = 0;
      const worker = virtualWorker({
        handlers: { mill: () => throws[n++]?.() ?? EMPTY },
        timeoutMs: 2_000,
        drainTimeoutMs: 1_000,
        backoff: { initialMs: 60_000 },
      });
      worker.enqueue("mill", {});
      at("10s", () => worker.enqueue("mill", {}));
      worker.shutdown("12s");
      expectEvents(worker.event$).toBe("(az) 5s (af) 5s a 2s (rD|)");
    });
  });

  it("releases at shutdown what the drain timeout cuts off", () => {
    marbles(({ expectEvents, flush }) => {
      const store = memoryStore({ latencyMs: 1 });
      const worker = virtualWorker({ store, handlers: { mill: () => NEVER }, drainTimeoutMs: 2_000 });
      worker.enqueue("mill", {});
      worker.shutdown("5s");
      expectEvents(worker.event$).toBe("3ms a 6997ms T 1ms g 1ms |");
      flush();
      expect(worker.store.jobs()).toMatchObject([{ state: "pending", attempt: 0 }]);
    });
  });

  it("aborts, and is aborted when nobody listens any more", () => {
    marbles(({ expectEvents, expectObservable, cold, expectSubscriptions }) => {
      const work$ = cold("-");
      const worker = virtualWorker({ handlers: { mill: () => work$ } });
      worker.enqueue("mill", {});
      worker.abort("3s");
      expectEvents(worker.event$).toBe("a 3s (Ag|)");
      const other$ = cold("-");
      const left = virtualWorker({ handlers: { mill: () => other$ } });
      left.enqueue("mill", {});
      expectObservable(left.event$.pipe(map(() => "x")), "^ 9ms !").toBe("(xxx)");
      expectSubscriptions(work$.subscriptions).toBe("^ 2999ms !");
      expectSubscriptions(other$.subscriptions).toBe("^ 9ms !");
    });
  });

  it("hears at its next poll that a job was cancelled", () => {
    marbles(({ at, expectEvents, flush }) => {
      const worker = virtualWorker({ handlers: { mill: () => NEVER } });
      const id = worker.enqueue("mill", {});
      at("2500ms", () => void worker.store.cancel({ ids: [id] }, "no grain"));
      expectEvents(worker.event$).toBe("a 3s c 1m");
      flush();
      expect(worker.store.jobs()).toMatchObject([{ id, state: "failed" }]);
    });
  });

  it("cancels at once what runs, and what waits", () => {
    marbles(({ expectEvents, flush }) => {
      const reasons: unknown[] = [];
      const worker = virtualWorker({
        concurrency: 1,
        handlers: {
          mill: (_job, { signal }) => {
            signal.addEventListener("abort", () => reasons.push(signal.reason));
            return NEVER;
          },
        },
      });
      const id = worker.enqueue("mill", {});
      const next = worker.enqueue("mill", {});
      worker.cancel(next, "no sack", "1500ms");
      worker.cancel(id, "no grain", "2500ms");
      worker.shutdown("4s");
      expectEvents(worker.event$).toBe("a 2500ms c 1500ms (D|)");
      flush();
      expect(reasons).toMatchObject([{ reason: "cancelled", message: "no grain" }]);
      expect(worker.store.jobs()).toMatchObject([
        { id, state: "failed", attempt: 0 },
        { id: next, state: "failed", attempt: 0 },
      ]);
    });
  });

  it("stops by stop$, whether it emits or errors", () => {
    marbles(({ cold, expectEvents }) => {
      for (const stop$ of [cold("-----x"), cold("-----#")]) {
        const worker = virtualWorker({ handlers: { mill: () => EMPTY }, stop$ });
        expectEvents(worker.event$).toBe("5ms (D|)");
      }
    });
  });

  it("gives handlers their payload, a signal, a log, and what they reported before", () => {
    const seen: unknown[] = [];
    marbles(({ expectEvents }) => {
      const worker = virtualWorker({
        jobs: JOBS,
        handlers: {
          mill: (job, { signal, log }) => {
            expectTypeOf(job.payload).toEqualTypeOf<{ grain: string }>();
            log.info("milling");
            seen.push([job.payload.grain, job.attempt, signal.aborted]);
            return interval(600).pipe(take(3));
          },
        },
        log: { ...console, info: (message: unknown) => seen.push(message) },
      });
      worker.enqueue("mill", { grain: "rye" });
      expectEvents(worker.event$).toBe("a 600ms p 600ms p 600ms (ps) 1s", {
        letters: { ...EVENT_LETTERS, progress: "p" },
      });
    });
    expect(seen).toEqual(["milling", ["rye", 1, false]]);
  });

  it("shares one run among its subscribers, later ones are told what happened", () => {
    const runs: number[] = [];
    marbles(({ expectEvents, expectObservable }) => {
      const worker = virtualWorker({
        handlers: { mill: () => defer(() => EMPTY.pipe(finalize(() => runs.push(1)))) },
      });
      worker.enqueue("mill", {});
      worker.shutdown("1s");
      expectEvents(worker.event$).toBe("(as) 1s (D|)");
      const type$ = worker.event$.pipe(map(({ type }) => type));
      const types = {
        s: "started",
        c: "claimed",
        a: "attempt-started",
        o: "succeeded",
        d: "draining",
        D: "drained",
        e: "exited",
      };
      expectObservable(type$).toBe("(scao) 994ms (dDe|)", types);
      expectObservable(type$, "5s ^").toBe("5s (scaodDe|)", types);
    });
    expect(runs).toEqual([1]);
  });

  it("runs two workers over one store, so that one recovers what the other lost", () => {
    marbles(({ at, expectEvents }) => {
      const store = memoryStore();
      const first = virtualWorker({
        store,
        handlers: { mill: () => NEVER },
        leaseDurationMs: 3_000,
        label: "first",
      });
      const second = virtualWorker({ store, handlers: { mill: () => of(1) }, leaseDurationMs: 3_000 });
      first.enqueue("mill", {});
      at("1500ms", () => store.expireLease("worker-1"));
      expectEvents(first.event$).toBe("a 1900ms");
      expectEvents(second.event$).toBe("2s (as) 1s");
    });
  });

  it("is the same at each run: nothing depends on chance, unless it is asked for", () => {
    const run = (random?: () => number): readonly number[] => {
      const delays: number[] = [];
      marbles(({ expectObservable }) => {
        const worker = virtualWorker({ handlers: { mill: dry }, random });
        worker.enqueue("mill", {});
        worker.shutdown("30s");
        const delay$ = worker.event$.pipe(
          map((event) => event.type === "retry-scheduled" && delays.push(event.delayMs)),
          finalize(() => delays.push(-1)),
        );
        expectObservable(concat(delay$.pipe(take(0)), EMPTY)).toBe("|");
        expectObservable(
          delay$.pipe(
            toArray(),
            map(() => "x"),
          ),
        ).toBe("30s (x|)");
      });
      return delays.filter((ms) => ms > 0);
    };
    expect(run()).toEqual([1_000, 2_000]);
    expect(run(() => 0.5)).toEqual([750, 1_500]);
  });
});
