import { getEventListeners } from "node:events";
import { NEVER, take, takeUntil, tap, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { fromSignal } from "../../../src/rx/from-signal.ts";
import { withMarbles } from "../../support/marbles.ts";

/** A signal that fires after `ms` of virtual time, with a text for a reason. */
function firing(ms: number): AbortSignal {
  const controller = new AbortController();
  timer(ms)
    .pipe(tap(() => controller.abort("enough")))
    .subscribe();
  return controller.signal;
}

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

describe("fromSignal", () => {
  it("emits the reason when the signal fires, and completes", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(fromSignal(firing(4))).toBe("----(r|)", { r: "enough" });
    });
  });

  it("emits at once when the signal has fired", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(fromSignal(AbortSignal.abort("late"))).toBe("(r|)", { r: "late" });
    });
  });

  it("never emits for a signal that never fires", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(fromSignal(new AbortController().signal), "----!").toBe("-");
    });
  });

  it("emits to each subscriber", () => {
    withMarbles(({ expectObservable }) => {
      const result$ = fromSignal(firing(4));
      expectObservable(result$).toBe("                ----(r|)", { r: "enough" });
      expectObservable(result$, "------^").toBe("------(r|)", { r: "enough" });
    });
  });

  it("leaves no listener when it is unsubscribed, and none when the signal has fired", () => {
    const signal = new AbortController().signal;
    const subscription = fromSignal(signal).subscribe();
    expect(listenersOf(signal)).toBe(1);
    subscription.unsubscribe();
    expect(listenersOf(signal)).toBe(0);

    const controller = new AbortController();
    fromSignal(controller.signal).subscribe();
    controller.abort();
    expect(listenersOf(controller.signal)).toBe(0);
  });

  it("leaves no listener when its value ends the result", () => {
    const controller = new AbortController();
    fromSignal(controller.signal).pipe(take(1)).subscribe();
    controller.abort();
    expect(listenersOf(controller.signal)).toBe(0);
  });

  it("stops what it is the notifier of", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(cold("-a-b-c").pipe(takeUntil(fromSignal(firing(4))))).toBe("-a-b|");
      expectObservable(NEVER.pipe(takeUntil(fromSignal(AbortSignal.abort())))).toBe("|");
    });
  });
});
