import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { EMPTY, NEVER, Subject, concat, interval, of, range, take, throwError } from "rxjs";
import type { Observable, Subscription } from "rxjs";
import { describe, expect, it } from "vitest";
import { deliver } from "../../../src/rx/deliver.ts";
import { pass, setClock, useFakeClock, withMarbles, work } from "../../support/marbles.ts";

type Value = number | string;

const queue = (limit = 100): ReturnType<typeof deliver<Value>> =>
  deliver<Value>({ limit, dropped: (count) => `dropped ${count}` });

describe("deliver", () => {
  it("hands over in the same moment, in the order of arrival", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot<Value>("(abc)-----d--|");
      const result = "           (abc)-----d--|";
      expectObservable(source.pipe(queue())).toBe(result);
      expectSubscriptions(source.subscriptions).toBe("^------------!");
    });
  });

  it("passes an end on: of nothing, of one value, of none", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(EMPTY.pipe(queue())).toBe("|");
      expectObservable(of("a").pipe(queue())).toBe("(a|)");
      expectObservable(throwError(() => "error").pipe(queue())).toBe("#");
      expectObservable(cold<Value>("-a-#").pipe(queue())).toBe("-a-#");
      expectObservable(NEVER.pipe(queue()), "---!").toBe("-");
    });
  });

  it("leaves its source and its timer when it is unsubscribed", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot<Value>("                        -a-b-c");
      expectObservable(source.pipe(queue()), "           ----!").toBe("-a-b");
      expectSubscriptions(source.subscriptions).toBe("   ^---!");
    });
  });

  it("gives each subscriber a queue of its own", () => {
    withMarbles(({ hot, expectObservable }) => {
      const result$ = hot<Value>("-a-b-c|").pipe(queue());
      expectObservable(result$, "^---!").toBe("-a-b");
      expectObservable(result$, "--^").toBe("---b-c|");
    });
  });
});

/** Reads a queue with a subscriber that takes its time, and tells what it got, and when. */
function listen(
  source$: Observable<Value>,
  each: (value: Value) => void = () => undefined,
): { readonly heard: string[]; readonly subscription: Subscription } {
  const from = Date.now();
  const heard: string[] = [];
  const note = (text: unknown): number => heard.push(`${String(text)} @${Date.now() - from}`);
  const subscription = source$.subscribe({
    next: (value) => {
      note(value);
      each(value);
    },
    error: (error) => note(`# ${String(error)}`),
    complete: () => note("|"),
  });
  return { heard, subscription };
}

describe("deliver, to whoever takes time", () => {
  useFakeClock();

  it("does not hold up whoever emits", async () => {
    const source$ = new Subject<Value>();
    const { heard, subscription } = listen(source$.pipe(queue()), () => work(1_000));
    source$.next("a");
    source$.next("b");
    expect(heard).toEqual([]);
    await pass(0);
    expect(heard).toEqual(["a @0"]);
    subscription.unsubscribe();
  });

  it("gives the event loop back after 5 ms", async () => {
    const { heard } = listen(range(1, 6).pipe(queue()), (value) => {
      work(2);
      if (value === 1) queueMicrotask(() => heard.push("others"));
    });
    await pass(100);
    const order = heard.map((line) => line.replace(/ @.*/u, ""));
    expect(order).toEqual(["1", "2", "3", "others", "4", "5", "6", "|"]);
  });

  it("gives a slow subscriber a fifth of the time", async () => {
    const { heard } = listen(of("a", "b", "c").pipe(queue()), () => work(25));
    await pass(1_000);
    expect(heard).toEqual(["a @0", "b @125", "c @250", "| @275"]);
  });

  it("hands an error or a completion over after what waits", async () => {
    const failed$ = concat(
      of("a", "b"),
      throwError(() => new Error("dry")),
    );
    const { heard } = listen(failed$.pipe(queue()), () => work(25));
    await pass(1_000);
    expect(heard).toEqual(["a @0", "b @125", "# Error: dry @150"]);
  });

  it("drops the oldest of more than its limit, and tells how many", async () => {
    const { heard } = listen(range(1, 10).pipe(queue(3)));
    await pass(0);
    expect(heard).toEqual(["dropped 7 @0", "8 @0", "9 @0", "10 @0", "| @0"]);
  });

  it("counts anew after it has told", async () => {
    const source$ = new Subject<Value>();
    const { heard } = listen(source$.pipe(queue(1)));
    for (const value of ["a", "b", "c"]) source$.next(value);
    await pass(0);
    for (const value of ["d", "e"]) source$.next(value);
    await pass(0);
    source$.complete();
    await pass(0);
    expect(heard.map((line) => line.replace(/ @.*/u, ""))).toEqual(["dropped 2", "c", "dropped 1", "e", "|"]);
  });

  it("drops nothing of as many as its limit", async () => {
    const { heard } = listen(range(1, 3).pipe(queue(3)));
    await pass(0);
    expect(heard).toEqual(["1 @0", "2 @0", "3 @0", "| @0"]);
  });

  it("keeps to its limit while a slow subscriber is behind", async () => {
    const { heard, subscription } = listen(interval(1).pipe(queue(5)), () => work(25));
    await pass(1_000);
    subscription.unsubscribe();
    const dropped = heard.flatMap((line) => /dropped (\d+)/u.exec(line)?.[1] ?? []);
    const values = heard.filter((line) => !line.startsWith("dropped"));
    expect(values.length).toBeLessThan(20);
    expect(dropped.reduce((sum, count) => sum + Number(count), 0)).toBeGreaterThan(850);
  });

  it("stops in the middle of a slice when it is unsubscribed from inside", async () => {
    const source$ = new Subject<Value>();
    const { heard, subscription } = listen(source$.pipe(queue()), (value) => {
      if (value === "b") subscription.unsubscribe();
    });
    for (const value of ["a", "b", "c"]) source$.next(value);
    expect(source$.observed).toBe(true);
    await pass(100);
    expect(heard).toEqual(["a @0", "b @0"]);
    expect(source$.observed).toBe(false);
  });

  it("ends when an operator behind it has enough", async () => {
    const { heard } = listen(concat(range(1, 5), NEVER).pipe(queue(), take(2)));
    await pass(100);
    expect(heard).toEqual(["1 @0", "2 @0", "| @0"]);
  });

  it("takes what its own values bring forth, in the same slice", async () => {
    const source$ = new Subject<Value>();
    const { heard } = listen(source$.pipe(queue()), (value) => {
      if (value === "a") source$.next("b");
      else source$.complete();
    });
    source$.next("a");
    await pass(0);
    expect(heard).toEqual(["a @0", "b @0", "| @0"]);
  });

  it.each([3_600_000, -3_600_000])("goes on at once when the clock is set by %s ms", async (ms) => {
    const source$ = new Subject<Value>();
    const { heard, subscription } = listen(source$.pipe(queue()), (value) => {
      if (value === "a") setClock(ms);
    });
    for (const value of ["a", "b"]) source$.next(value);
    await pass(0);
    expect(heard).toHaveLength(2);
    subscription.unsubscribe();
  });

  it("keeps no timer that has fired", async () => {
    const source$ = new Subject<Value>();
    const subscription = source$.pipe(queue()).subscribe();
    for (let turn = 0; turn < 100; turn += 1) {
      source$.next(turn);
      await pass(0);
    }
    // What an unsubscription would have to undo: RxJS keeps a list, which must not grow.
    expect(Reflect.get(subscription, "_finalizers")).toHaveLength(1);
    subscription.unsubscribe();
  });

  it("keeps no value that it has handed over, although its queue is never empty", async () => {
    const source$ = new Subject<object>();
    const handedOver: WeakRef<object>[] = [];
    const subscription = source$
      .pipe(deliver<object>({ limit: 100, dropped: () => ({}) }))
      .subscribe((value) => {
        source$.next({});
        // The last one takes long, so that what came meanwhile still waits at the end.
        work(handedOver.push(new WeakRef(value)) < 30 ? 6 : 10_000);
      });
    source$.next({});
    source$.next({});
    await pass(0);
    collectGarbage();
    expect(handedOver).toHaveLength(30);
    expect(handedOver.slice(0, 20).map((value) => value.deref())).toEqual(Array(20).fill(undefined));
    subscription.unsubscribe();
  });
});

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
