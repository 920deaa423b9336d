import { EMPTY, NEVER, Subject, map, of, takeUntil, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import { fromSignal } from "../../../src/rx/from-signal.ts";
import { toSignal } from "../../../src/rx/to-signal.ts";
import { withMarbles } from "../../support/marbles.ts";

describe("toSignal", () => {
  it("fires with the first value, and unsubscribes", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot("        ----r--s");
      const fired$ = fromSignal(toSignal(source$));
      expectObservable(fired$).toBe("----(r|)");
      expectSubscriptions(source$.subscriptions).toBe("^---!");
    });
  });

  it("has fired when the stream emits at once", () => {
    const signal = toSignal(of("a", "b"));
    expect([signal.aborted, signal.reason]).toEqual([true, "a"]);
  });

  it("fires with the error of the stream", () => {
    const error = new Error("dry");
    const signal = toSignal(throwError(() => error));
    expect(signal.reason).toBe(error);
  });

  it.each<[string, Observable<never>]>([
    ["never does", NEVER],
    ["is empty", EMPTY],
  ])("does not fire for a stream that %s", (_what, source$) => {
    expect(toSignal(source$).aborted).toBe(false);
  });

  it("is let go with takeUntil", () => {
    const source$ = new Subject<string>();
    const done$ = new Subject<void>();
    const signal = toSignal(source$.pipe(takeUntil(done$)));
    expect(source$.observed).toBe(true);
    done$.next();
    expect(source$.observed).toBe(false);
    source$.next("late");
    expect(signal.aborted).toBe(false);
  });

  it("fires once, for whatever listens to it", async () => {
    const heard: unknown[] = [];
    const source$ = new Subject<string>();
    const signal = toSignal(source$);
    signal.addEventListener("abort", () => heard.push(signal.reason));
    source$.next("a");
    source$.next("b");
    expect(heard).toEqual(["a"]);
    await expect(fetch("http://127.0.0.1:1", { signal })).rejects.toBe("a");
  });

  it("turns back what fromSignal makes of a signal", () => {
    withMarbles(({ expectObservable }) => {
      const signal = toSignal(timer(3).pipe(map(() => "r")));
      expectObservable(fromSignal(toSignal(fromSignal(signal)))).toBe("---(r|)");
    });
  });
});
