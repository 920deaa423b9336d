import { EMPTY, Subject, of, take, throwError } from "rxjs";
import { describe, expect, it } from "vitest";
import { gathered } from "../../../src/rx/gathered.ts";
import { macrotask$ } from "../../../src/rx/macrotask.ts";

/** Writes that the test answers by hand, in the order in which they were asked for. */
function byHand(): {
  readonly write: (items: readonly number[]) => Subject<readonly string[]>;
  readonly writes: readonly (readonly number[])[];
  readonly answer: (...results: readonly string[]) => void;
  readonly fail: (error: unknown) => void;
} {
  const writes: (readonly number[])[] = [];
  const answers: Subject<readonly string[]>[] = [];
  return {
    writes,
    write: (items) => {
      const answer$ = new Subject<readonly string[]>();
      writes.push(items);
      answers.push(answer$);
      return answer$;
    },
    answer: (...results) => {
      const answer$ = answers.shift();
      answer$?.next(results);
      answer$?.complete();
    },
    fail: (error) => answers.shift()?.error(error),
  };
}

describe("gathered", () => {
  it("writes the first call alone, and the calls that come meanwhile together", async () => {
    const { write, writes, answer } = byHand();
    const { call } = gathered(write);
    const results = [call(1), call(2), call(3)];
    expect(writes).toEqual([[1]]);
    answer("one");
    expect(writes).toEqual([[1], [2, 3]]);
    answer("two", "three");
    expect(await Promise.all(results)).toEqual(["one", "two", "three"]);
  });

  it("rejects every call of a write that fails, and no other", async () => {
    const { write, answer, fail } = byHand();
    const { call } = gathered(write);
    const results = Promise.allSettled([call(1), call(2), call(3)]);
    answer("one");
    fail(new Error("away"));
    const late = call(4);
    answer("four");
    expect((await results).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(await late).toBe("four");
  });

  it("writes what is cut one part after the other, and rejects the calls of one that fails", async () => {
    const { write, writes, answer, fail } = byHand();
    const { call } = gathered(write, (items) =>
      [items.slice(0, 2), items.slice(2)].filter((part) => part.length > 0),
    );
    const results = Promise.allSettled([1, 2, 3, 4, 5].map(call));
    answer("one");
    expect(writes).toEqual([[1], [2, 3]]);
    fail(new Error("away"));
    expect(writes).toEqual([[1], [2, 3], [4, 5]]);
    answer("four", "five");
    expect(await results).toMatchObject([
      { value: "one" },
      { status: "rejected" },
      { status: "rejected" },
      { value: "four" },
      { value: "five" },
    ]);
  });

  it("goes on after a write that throws", async () => {
    let broken = true;
    const { call } = gathered((items: readonly number[]) => {
      if (broken) throw new Error("a bug");
      return of(items.map(String));
    });
    await expect(call(1)).rejects.toThrow("a bug");
    broken = false;
    expect(await call(2)).toBe("2");
  });

  it("takes promises", async () => {
    const { call } = gathered((items: readonly number[]) => Promise.resolve(items.map(String)));
    expect(await Promise.all([call(1), call(2), call(3)])).toEqual(["1", "2", "3"]);
  });

  it("is idle when nothing was called", async () => {
    await expect(gathered(() => EMPTY).idle()).resolves.toBeUndefined();
  });

  it("is idle when the last write has ended, well or not", async () => {
    const { write, answer, fail } = byHand();
    const { call, idle } = gathered(write);
    const first = call(1);
    const others = Promise.all([call(2).catch(String), call(3).catch(String)]);
    let ended = false;
    const whenIdle = idle().then(() => (ended = true));
    answer("one");
    await first;
    expect(ended).toBe(false);
    fail("away");
    await whenIdle;
    expect(await others).toEqual(["away", "away"]);
    await expect(idle()).resolves.toBeUndefined();
  });

  it("waits for its turn before what gathered is written, and writes what came until then with it", () => {
    const { write, writes, answer } = byHand();
    const turn$ = new Subject<void>();
    const { call } = gathered(write, undefined, turn$.pipe(take(1)));
    const results = [call(1), call(2)];
    expect(writes).toEqual([]);
    turn$.next();
    expect(writes).toEqual([[1, 2]]);
    results.push(call(3));
    answer("one", "two");
    results.push(call(4));
    expect(writes).toEqual([[1, 2]]);
    turn$.next();
    expect(writes).toEqual([
      [1, 2],
      [3, 4],
    ]);
    answer("three", "four");
    return expect(Promise.all(results)).resolves.toEqual(["one", "two", "three", "four"]);
  });

  it("keeps callers together that call again when they are answered, with a macrotask as the turn", async () => {
    const sizes: number[] = [];
    const write = async (items: readonly number[]): Promise<readonly number[]> => {
      sizes.push(items.length);
      return items;
    };
    const { call } = gathered(write, undefined, macrotask$);
    const caller = async (): Promise<void> => {
      for (let n = 0; n < 5; n += 1) await call(n);
    };
    await Promise.all(Array.from({ length: 8 }, caller));
    expect(sizes).toEqual([8, 8, 8, 8, 8]);
  });

  it("is not idle while a turn is waited for", async () => {
    const turn$ = new Subject<void>();
    const { call, idle } = gathered((items: readonly number[]) => of(items), undefined, turn$.pipe(take(1)));
    const called = call(1);
    let isIdle = false;
    const whenIdle = idle().then(() => (isIdle = true));
    await Promise.resolve();
    expect(isIdle).toBe(false);
    turn$.next();
    expect(await called).toBe(1);
    expect(await whenIdle).toBe(true);
  });

  it("makes a rejection of its own for each call, so that none is left unhandled", async () => {
    const { call } = gathered(() => throwError(() => new Error("away")));
    const results = await Promise.allSettled([call(1), call(2)]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });
});
