import { EMPTY, NEVER, Observable, Subject, of, take, tap, throwError } from "rxjs";
import { describe, expect, it } from "vitest";
import { isPullable, pull } from "../../../src/rx/pull.ts";
import { withMarbles } from "../../support/marbles.ts";

interface Watched<Source> {
  readonly source: Source;
  /** What was read so far, and `return` where the reader left early. */
  readonly log: string[];
}

/** An iterable of letters; `#` throws. */
function letters(text: string): Watched<Iterable<string>> {
  const log: string[] = [];
  return {
    log,
    source: {
      [Symbol.iterator]: () => {
        const rest = text.split("");
        return {
          next: () => {
            const letter = rest.shift();
            if (letter === undefined) return { done: true, value: undefined };
            log.push(letter);
            if (letter === "#") throw new Error("dry");
            return { done: false, value: letter };
          },
          return: () => {
            log.push("return");
            return { done: true, value: undefined };
          },
        };
      },
    },
  };
}

interface ByHand extends Watched<AsyncIterable<string>> {
  /** Answers the oldest `next()` that waits: with a letter, the end (`|`) or an error (`#`). */
  readonly answer: (letter: string) => Promise<void>;
}

/** An async iterable whose values come when the test says. */
function byHand(): ByHand {
  const log: string[] = [];
  const waiting: { resolve: (step: IteratorResult<string>) => void; reject: (error: Error) => void }[] = [];
  return {
    log,
    source: {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          log.push("next");
          return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
        },
        return: async () => {
          log.push("return");
          return Promise.reject(new Error("it cannot be left"));
        },
      }),
    },
    answer: async (letter) => {
      const { resolve, reject } = waiting.shift() ?? {};
      if (letter === "#") reject?.(new Error("dry"));
      else resolve?.(letter === "|" ? { done: true, value: undefined } : { done: false, value: letter });
      await new Promise(setImmediate);
    },
  };
}

/** Subscribes and keeps what comes. */
function hear(source$: Observable<unknown>): { readonly heard: unknown[]; readonly stop: () => void } {
  const heard: unknown[] = [];
  const subscription = source$.subscribe({
    next: (value) => heard.push(value),
    error: (error: unknown) => heard.push(String(error)),
    complete: () => heard.push("|"),
  });
  return { heard, stop: () => subscription.unsubscribe() };
}

const all = { first: Infinity, more$: EMPTY };

describe("pull", () => {
  it("reads no further than it is let", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const { source } = letters("abcdef");
      const more$ = hot("  -----1--2-----9--", { 1: 1, 2: 2, 9: 9 });
      const result = "     (ab)-c--(de)--(f|)";
      expectObservable(pull(source, { first: 2, more$ })).toBe(result);
      expectSubscriptions(more$.subscriptions).toBe("^-------------!");
    });
  });

  it("asks for no value more than it may emit", () => {
    const { source, log } = letters("abcd");
    const { heard } = hear(pull(source, { first: 2, more$: NEVER }));
    expect(log).toEqual(["a", "b"]);
    expect(heard).toEqual(["a", "b"]);
  });

  it.each([
    ["nothing", "", ["|"]],
    ["one value", "a", ["a", "|"]],
    ["many", "abc", ["a", "b", "c", "|"]],
    ["an error", "ab#", ["a", "b", "Error: dry"]],
  ])("emits %s, and does not leave what has ended", (_what, text, told) => {
    const { source, log } = letters(text);
    expect(hear(pull(source, all)).heard).toEqual(told);
    expect(log).not.toContain("return");
  });

  it("leaves an iterator that is not at its end, once", () => {
    const { source, log } = letters("abc");
    expect(hear(pull(source, all).pipe(take(1))).heard).toEqual(["a", "|"]);
    expect(log).toEqual(["a", "return"]);
    const waiting = letters("abc");
    const { stop } = hear(pull(waiting.source, { first: 1, more$: NEVER }));
    stop();
    stop();
    expect(waiting.log).toEqual(["a", "return"]);
  });

  it("keeps to itself what leaving throws", () => {
    const source: Iterable<string> = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: "a" }),
        return: () => {
          throw new Error("it cannot be left");
        },
      }),
    };
    expect(hear(pull(source, all).pipe(take(1))).heard).toEqual(["a", "|"]);
  });

  it("errors with what cannot be iterated at all, and with more$", () => {
    const broken: Iterable<string> = {
      [Symbol.iterator]: () => {
        throw new Error("locked");
      },
    };
    expect(hear(pull(broken, all)).heard).toEqual(["Error: locked"]);
    const more$ = throwError(() => new Error("no more"));
    const { source, log } = letters("abc");
    expect(hear(pull(source, { first: 1, more$ })).heard).toEqual(["Error: no more"]);
    expect(log).toEqual([]);
  });

  it("reads for each subscriber anew", () => {
    const { source } = letters("ab");
    const value$ = pull(source, all);
    expect([hear(value$).heard, hear(value$).heard]).toEqual([
      ["a", "b", "|"],
      ["a", "b", "|"],
    ]);
  });

  it("loops over what is let in answer to a value, however much", () => {
    const more$ = new Subject<number>();
    function* endless(): Generator<number> {
      for (let n = 1; ; n += 1) yield n;
    }
    const { heard } = hear(
      pull(endless(), { first: 1, more$ }).pipe(
        tap(() => more$.next(1)),
        take(100_000),
      ),
    );
    expect(heard).toHaveLength(100_001);
  });

  it("asks an async iterable for one value at a time", async () => {
    const { source, log, answer } = byHand();
    const more$ = new Subject<number>();
    const { heard } = hear(pull(source, { first: 2, more$ }));
    expect(log).toEqual(["next"]);
    await answer("a");
    expect(log).toEqual(["next", "next"]);
    await answer("b");
    expect(log).toEqual(["next", "next"]);
    expect(heard).toEqual(["a", "b"]);
    more$.next(1);
    more$.next(1);
    expect(log).toEqual(["next", "next", "next"]);
    await answer("|");
    expect(heard).toEqual(["a", "b", "|"]);
  });

  it("errors when an async iterable does", async () => {
    const { source, log, answer } = byHand();
    const { heard } = hear(pull(source, all));
    await answer("a");
    await answer("#");
    expect(heard).toEqual(["a", "Error: dry"]);
    expect(log).toEqual(["next", "next"]);
  });

  it("leaves an async iterable that it waits for, and drops what still comes", async () => {
    const { source, log, answer } = byHand();
    const { heard, stop } = hear(pull(source, all));
    stop();
    expect(log).toEqual(["next", "return"]);
    await answer("a");
    expect(heard).toEqual([]);
    expect(log).toEqual(["next", "return"]);
  });
});

describe("isPullable", () => {
  it("holds for iterables, async or not, and not for what pushes", () => {
    const pulled = [[], new Set([1]), letters("a").source, byHand().source, new ReadableStream<string>()];
    expect(pulled.map((source) => isPullable<unknown>(source))).toEqual(pulled.map(() => true));
    const pushed = [of(1), new Observable(), Promise.resolve(1)];
    expect(pushed.map((source) => isPullable<unknown>(source))).toEqual(pushed.map(() => false));
  });
});
