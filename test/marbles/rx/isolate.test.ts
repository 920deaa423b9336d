import { EMPTY, NEVER, Observable, concat, interval, of, take, takeUntil, throwError, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import { isolate } from "../../../src/rx/isolate.ts";
import { withMarbles } from "../../support/marbles.ts";

/** A source whose teardown throws. */
function fragile<T>(source$: Observable<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    subscriber.add(source$.subscribe(subscriber));
    return () => {
      throw new Error("a bug in a teardown");
    };
  });
}

describe("isolate", () => {
  it("passes everything on", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("                        -a-b|");
      expectObservable(isolate(source)).toBe("     -a-b|");
      expectSubscriptions(source.subscriptions).toBe("^---!");
      expectObservable(isolate(EMPTY)).toBe("|");
      expectObservable(isolate(of("a"))).toBe("(a|)");
      expectObservable(isolate(throwError(() => "error"))).toBe("#");
      expectObservable(isolate(cold("-a-#"))).toBe("-a-#");
      expectObservable(isolate(NEVER), "--!").toBe("-");
    });
  });

  it("leaves its source when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("                 -a-b-c");
      expectObservable(isolate(source), "   ----!").toBe("-a-b");
      expectSubscriptions(source.subscriptions).toBe("^---!");
    });
  });

  it("lets whatever follows go on when a teardown throws", () => {
    withMarbles(({ cold, expectObservable }) => {
      const left$ = isolate(fragile(cold("-a-b-c"))).pipe(takeUntil(timer(4)));
      expectObservable(concat(left$, of("d"))).toBe("-a-b(d|)");
    });
  });

  it("lets an end come through when a teardown throws", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(concat(isolate(fragile(cold("-a|"))), of("d"))).toBe("-a(d|)");
      expectObservable(concat(isolate(fragile(of("a"))), of("d"))).toBe("(ad|)");
      expectObservable(isolate(fragile(cold("-a#")))).toBe("-a#");
    });
  });

  it("keeps what a teardown throws from whoever unsubscribes", () => {
    const subscription = isolate(fragile(NEVER)).subscribe();
    expect(() => subscription.unsubscribe()).not.toThrow();
  });

  it("errors with a source that throws when it is subscribed", () => {
    withMarbles(({ expectObservable }) => {
      const broken$ = new Observable(() => {
        throw new Error("a bug");
      });
      expectObservable(isolate(broken$)).toBe("#", {}, new Error("a bug"));
    });
  });

  it("leaves a source whose first value, while it is being subscribed, is enough", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(isolate(concat(of(1), interval(1))).pipe(take(1))).toBe("(a|)", { a: 1 });
    });
  });
});
