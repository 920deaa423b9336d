import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { EMPTY, NEVER, Subject, concat, interval, of, range, take, tap, throwError } from "rxjs";
import type { Observable, Subscription } from "rxjs";
import { describe, expect, it } from "vitest";
import { deliver } from "../../../src/rx/deliver.ts";
import { createTurns } from "../../../src/rx/turns.ts";
import { pass, setClock, useFakeClock, withMarbles, work } from "../../support/marbles.ts";

type Value = number | string;

/** An event loop with always something else to do. */
const busy = (): (() => boolean) => () => false;

const queue = (limit = 100): ReturnType<typeof deliver<Value>> =>
  deliver<Value>({ limit, dropped: (count) => `dropped ${count}`, turns: createTurns(busy) });

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

  it("shares its source, and tells each subscriber what comes after it did", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot<Value>("-a-b-c|");
      const result$ = source.pipe(queue());
      expectObservable(result$, "^---!").toBe("-a-b");
      expectObservable(result$, "--^").toBe("  ---b-c|");
      expectSubscriptions(source.subscriptions).toBe("^-----!");
    });
  });

  it("greets each subscriber before all else", () => {
    withMarbles(({ hot, expectObservable }) => {
      let heard: Value | undefined;
      const result$ = hot<Value>("-a-b-c|").pipe(
        tap((value) => (heard = value)),
        deliver<Value>({ limit: 9, dropped: String, greet: () => heard, turns: createTurns(busy) }),
      );
      expectObservable(result$).toBe("       -a-b-c|");
      expectObservable(result$, "----^").toBe("----bc|");
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

  it("gives the event loop back after 2 ms", async () => {
    const { heard } = listen(range(1, 6).pipe(queue()), (value) => {
      work(1);
      if (value === 1) queueMicrotask(() => heard.push("others"));
    });
    await pass(100);
    const order = heard.map((line) => line.replace(/ @.*/u, ""));
    expect(order).toEqual(["1", "2", "others", "3", "4", "5", "6", "|"]);
  });

  it("gives a slow subscriber a seventh of the time", async () => {
    const { heard } = listen(of("a", "b", "c").pipe(queue()), () => work(25));
    await pass(1_000);
    expect(heard).toEqual(["a @0", "b @175", "c @350", "| @375"]);
  });

  it("hands an error or a completion over after what waits", async () => {
    const failed$ = concat(
      of("a", "b"),
      throwError(() => new Error("dry")),
    );
    const { heard } = listen(failed$.pipe(queue()), () => work(25));
    await pass(1_000);
    expect(heard).toEqual(["a @0", "b @175", "# Error: dry @200"]);
  });

  it("drops the oldest of more than its limit, and tells how many", async () => {
    const { heard } = listen(range(1, 10).pipe(queue(3)));
    await pass(0);
    expect(heard).toEqual(["dropped 7 @0", "8 @0", "9 @0", "10 @0", "| @0"]);
  });

  it("tells each of many subscribers how many it missed, and keeps what waits once", async () => {
    const source$ = new Subject<Value>();
    const result$ = source$.pipe(queue(3));
    const early = Array.from({ length: 1_000 }, () => listen(result$));
    for (let n = 1; n <= 4; n += 1) source$.next(n);
    const late = listen(result$);
    for (let n = 5; n <= 10; n += 1) source$.next(n);
    source$.complete();
    await pass(0);
    for (const { heard } of early) expect(heard).toEqual(["dropped 7 @0", "8 @0", "9 @0", "10 @0", "| @0"]);
    expect(late.heard).toEqual(["dropped 3 @0", "8 @0", "9 @0", "10 @0", "| @0"]);
  });

  it("lets go what a subscriber that left did not take", async () => {
    const source$ = new Subject<object>();
    const result$ = source$.pipe(
      deliver<object>({ limit: 100, dropped: () => ({}), turns: createTurns(busy) }),
    );
    const stays = result$.subscribe();
    const slow = result$.subscribe(() => work(1_000));
    const values = [{}, {}, {}].map((value) => {
      source$.next(value);
      return new WeakRef(value);
    });
    await pass(0);
    slow.unsubscribe();
    collectGarbage();
    expect(values.map((value) => value.deref())).toEqual([undefined, undefined, undefined]);
    stays.unsubscribe();
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
    await pass(2);
    expect(heard).toHaveLength(2);
    subscription.unsubscribe();
  });

  it("keeps no timer that has fired", async () => {
    const source$ = new Subject<Value>();
    const subscription = source$.pipe(queue()).subscribe();
    const kept = (): unknown => Reflect.get(subscription, "_finalizers");
    const before = [kept()].flat().length;
    for (let turn = 0; turn < 100; turn += 1) {
      source$.next(turn);
      await pass(0);
    }
    // What an unsubscription would have to undo: RxJS keeps a list, which must not grow.
    expect(kept()).toHaveLength(before);
    subscription.unsubscribe();
  });

  it("keeps no value that it has handed over, although its queue is never empty", async () => {
    const source$ = new Subject<object>();
    const handedOver: WeakRef<object>[] = [];
    const subscription = source$
      .pipe(deliver<object>({ limit: 100, dropped: () => ({}), turns: createTurns(busy) }))
      .subscribe((value) => {
        source$.next({});
        // The last one takes long, so that what came meanwhile still waits at the end.
        work(handedOver.push(new WeakRef(value)) < 30 ? 6 : 10_000);
      });
    source$.next({});
    source$.next({});
    await pass(3_000);
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
