import { asyncScheduler, defer, of, throwError } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import { PermanentError } from "../../../src/core/errors.ts";
import type { Tidied } from "../../../src/core/store-calls.ts";
import { tidyStage } from "../../../src/stages/tidy.ts";
import type { TidySetup } from "../../../src/stages/tidy.ts";
import { virtualWorker } from "../../../src/testing/index.ts";
import { withMarbles } from "../../support/marbles.ts";

const FULL = 1_000;

/** A store that says when it was called, and answers with the next of these counts, then with 0. */
function calls(
  counts: readonly (number | Observable<number>)[] = [],
): Omit<TidySetup, "random"> & { readonly log: string[] } {
  const log: string[] = [];
  let asked = 0;
  return {
    log,
    expireResults: (limit) =>
      defer(() => {
        log.push(`${asyncScheduler.now()} expire ${limit}`);
        const count = counts[asked++] ?? 0;
        return typeof count === "number" ? of(count) : count;
      }),
    expireFailed: () => of(0),
    tidy: () =>
      defer(() => {
        log.push(`${asyncScheduler.now()} tidy`);
        return of({ holder: undefined });
      }),
  };
}

describe("tidyStage", () => {
  it("tidies every half minute, a fifth more or less, from some moment of the first on", () => {
    for (const [random, log] of [
      [0, ["0", "24000", "48000"]],
      [0.5, ["15000", "45000"]],
      [0.75, ["22500", "55500"]],
    ] as const) {
      withMarbles(({ expectObservable, flush }) => {
        const store = calls();
        expectObservable(tidyStage({ ...store, random: () => random }), "60s !").toBe("");
        flush();
        expect(store.log).toEqual(log.flatMap((at) => [`${at} tidy`, `${at} expire ${FULL}`]));
      });
    }
  });

  it("deletes failed jobs as well, in the same rounds and as far as there are any", () => {
    withMarbles(({ expectObservable, flush }) => {
      const asked: string[] = [];
      const counts = [FULL, FULL, 3];
      const expireFailed = (limit: number): readonly number[] => {
        asked.push(`${asyncScheduler.now()} failed ${limit}`);
        return [counts[asked.length - 1] ?? 0];
      };
      expectObservable(tidyStage({ ...calls(), expireFailed, random: () => 0 }), "25s !").toBe("");
      flush();
      expect(asked).toEqual([...Array.from({ length: 3 }, () => "0 failed 1000"), "24000 failed 1000"]);
    });
  });

  it("goes on at once while as much expired as one statement deletes", () => {
    withMarbles(({ cold, expectObservable, flush }) => {
      const slow$ = cold("--(n|)", { n: FULL });
      const store = calls([slow$, slow$, 7]);
      expectObservable(tidyStage({ ...store, random: () => 0 }), "1s !").toBe("");
      flush();
      expect(store.log).toEqual(["0 tidy", "0 expire 1000", "2 expire 1000", "4 expire 1000"]);
    });
  });

  it("tells a failure and tries again in the next round, whichever call it was", () => {
    withMarbles(({ expectObservable, flush }) => {
      const broken$ = throwError(() => new Error("gone"));
      const store = calls([broken$]);
      const failed = {
        type: "tidy-failed",
        error: expect.objectContaining({ message: "gone" }),
        retryInMs: 24_000,
      };
      expectObservable(tidyStage({ ...store, random: () => 0 }), "25s !").toBe("f", { f: failed });
      const tidy = (): Observable<never> => broken$;
      expectObservable(tidyStage({ ...calls(), tidy, random: () => 0 }), "25s !").toBe("f 23999ms f", {
        f: failed,
      });
      flush();
      expect(store.log).toEqual(["0 tidy", "0 expire 1000", "24000 tidy", "24000 expire 1000"]);
    });
  });

  it("tells of a snapshot that is held for a minute, as the rounds find it, and when it is gone", () => {
    withMarbles(({ expectObservable }) => {
      const holder = { horizon: "754", pid: 7, name: "psql", ageMs: undefined };
      const answers = [holder, holder, holder, holder, holder];
      const tidy = (): Observable<Tidied> => of({ holder: answers.shift() });
      expectObservable(tidyStage({ ...calls(), tidy, random: () => 0 }), "150s !").toBe("72s d 47999ms r", {
        d: { type: "degraded", cause: "old-snapshot", pid: 7, ageMs: 72_000, holder: "psql" },
        r: { type: "restored", cause: "old-snapshot" },
      });
    });
  });

  it("leaves a call that is under way when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const slow$ = cold("----(n|)", { n: 0 });
      const store = calls([slow$]);
      expectObservable(tidyStage({ ...store, random: () => 0 }), "--!").toBe("");
      expectSubscriptions(slow$.subscriptions).toBe("^-!");
    });
  });
});

describe("a worker", () => {
  it("deletes results when their time is over, by itself", () => {
    withMarbles(({ flush, expectObservable, cold }) => {
      const worker = virtualWorker({ handlers: { mill: () => of("flour") } });
      const kept: string[][] = [];
      const look = (): void => void kept.push(worker.store.jobs().map(({ state }) => state));
      worker.enqueue("mill", null, { keepResultMs: 30_000 });
      expectObservable(worker.event$, "60s !");
      for (const at of ["1s", "47s", "49s"]) cold(`${at} x`).subscribe(look);
      flush();
      expect(kept).toEqual([["completed"], ["completed"], []]);
    });
  });

  it("deletes failed jobs when its settings say so, and else keeps them", () => {
    for (const [keepFailedMs, left] of [
      [undefined, 1],
      [30_000, 0],
    ] as const) {
      withMarbles(({ cold, expectObservable, flush }) => {
        const worker = virtualWorker({
          handlers: { mill: () => throwError(() => new PermanentError("jammed")) },
          keepFailedMs,
        });
        worker.enqueue("mill", null);
        expectObservable(worker.event$, "70s !");
        let count: number | undefined;
        cold("69s x").subscribe(() => (count = worker.store.jobs().length));
        flush();
        expect(count).toBe(left);
      });
    }
  });
});
