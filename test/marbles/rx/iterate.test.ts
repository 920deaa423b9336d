import { Readable } from "node:stream";
import { EMPTY, NEVER, Observable, Subject, concat, of, range, throwError } from "rxjs";
import { describe, expect, it, vi } from "vitest";
import { iterate } from "../../../src/rx/iterate.ts";

/** What a loop over an Observable got, and how it ended. */
async function read<T>(source$: Observable<T>): Promise<readonly (T | string)[]> {
  const heard: (T | string)[] = [];
  try {
    for await (const value of iterate(source$)) heard.push(value);
    return [...heard, "|"];
  } catch (error) {
    return [...heard, `# ${String(error)}`];
  }
}

/** A source, and how often it is subscribed at the moment. */
function counted<T>(source$: Observable<T>): {
  readonly source$: Observable<T>;
  readonly open: () => number;
} {
  let open = 0;
  return {
    open: () => open,
    source$: new Observable<T>((subscriber) => {
      open += 1;
      subscriber.add(() => (open -= 1));
      return source$.subscribe(subscriber);
    }),
  };
}

describe("iterate", () => {
  it("gives nothing of an empty source, one value of one, and many in their order", async () => {
    expect(await read(EMPTY)).toEqual(["|"]);
    expect(await read(of("a"))).toEqual(["a", "|"]);
    expect(await read(of("a", "b", "c"))).toEqual(["a", "b", "c", "|"]);
    expect(await read(of(undefined, null))).toEqual([undefined, null, "|"]);
  });

  it("gives one value at a time, and keeps what comes meanwhile", async () => {
    const source$ = new Subject<string>();
    const steps = iterate(source$);
    const first = steps.next();
    source$.next("a");
    source$.next("b");
    expect(await first).toEqual({ done: false, value: "a" });
    source$.next("c");
    expect(await steps.next()).toEqual({ done: false, value: "b" });
    expect(await steps.next()).toEqual({ done: false, value: "c" });
    const last = steps.next();
    source$.complete();
    expect(await last).toEqual({ done: true, value: undefined });
  });

  it("keeps as many as it is told for a loop that is slower, and tells it how many it missed", async () => {
    const source$ = new Subject<string>();
    const steps = iterate(source$, { limit: 2, dropped: (count) => `dropped ${count}` });
    const first = steps.next();
    for (const value of "abcdef") source$.next(value);
    expect(await first).toEqual({ done: false, value: "a" });
    expect(await steps.next()).toEqual({ done: false, value: "dropped 3" });
    expect(await steps.next()).toEqual({ done: false, value: "e" });
    expect(await steps.next()).toEqual({ done: false, value: "f" });
    for (const value of "ghi") source$.next(value);
    source$.complete();
    expect(await steps.next()).toEqual({ done: false, value: "dropped 1" });
    expect(await steps.next()).toEqual({ done: false, value: "h" });
    expect(await steps.next()).toEqual({ done: false, value: "i" });
    expect(await steps.next()).toEqual({ done: true, value: undefined });
  });

  it("drops no error, and tells nothing of what was dropped to a loop that was left", async () => {
    const source$ = new Subject<string>();
    const bound = { limit: 1, dropped: (count: number) => `dropped ${count}` };
    const failing = iterate(source$, bound);
    const left = iterate(source$, bound);
    const first = [failing.next(), left.next()];
    for (const value of "abcd") source$.next(value);
    await Promise.all(first);
    await left.return();
    source$.error(new Error("dry"));
    expect(await left.next()).toEqual({ done: true, value: undefined });
    expect(await failing.next()).toEqual({ done: false, value: "dropped 2" });
    expect(await failing.next()).toEqual({ done: false, value: "d" });
    await expect(failing.next()).rejects.toThrow("dry");
  });

  it("throws the error of the source after the values before it", async () => {
    const failed$ = throwError(() => new Error("dry"));
    expect(await read(failed$)).toEqual(["# Error: dry"]);
    expect(await read(concat(of("a", "b"), failed$))).toEqual(["a", "b", "# Error: dry"]);
    expect(await read(throwError(() => undefined))).toEqual(["# undefined"]);
  });

  it("subscribes at the first step, once", async () => {
    const { source$, open } = counted(NEVER);
    const steps = iterate(source$);
    expect(open()).toBe(0);
    void steps.next();
    expect(open()).toBe(1);
  });

  it("does not subscribe when it is left before the first step", async () => {
    const { source$, open } = counted(NEVER);
    await iterate(source$).return();
    expect(open()).toBe(0);
  });

  it.each<[string, (values: AsyncIterable<string>) => Promise<unknown>]>([
    [
      "break",
      async (values) => {
        for await (const value of values) if (value === "b") break;
      },
    ],
    [
      "return",
      async (values) => {
        for await (const value of values) if (value === "b") return value;
        return undefined;
      },
    ],
    [
      "throw",
      async (values) => {
        for await (const value of values) if (value === "b") throw new Error("enough");
      },
    ],
  ])("unsubscribes when the loop is left by %s", async (_, loop) => {
    const { source$, open } = counted(concat(of("a", "b", "c"), NEVER));
    await loop(iterate(source$)).catch(() => undefined);
    expect(open()).toBe(0);
  });

  it("unsubscribes from a source that has ended", async () => {
    const { source$, open } = counted(of("a"));
    await read(source$);
    expect(open()).toBe(0);
  });

  it.each<[string, (steps: ReturnType<typeof iterate>) => Promise<unknown>]>([
    ["return", async (steps) => steps.return()],
    ["throw", async (steps) => steps.throw(new Error("enough")).catch(() => undefined)],
    ["asyncDispose", async (steps) => steps[Symbol.asyncDispose]()],
  ])("unsubscribes at once when it is left by %s while a step waits", async (_, leave) => {
    const { source$, open } = counted(NEVER);
    const steps = iterate(source$);
    const waiting = steps.next();
    expect(open()).toBe(1);
    await leave(steps);
    expect(open()).toBe(0);
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await steps.next()).toEqual({ done: true, value: undefined });
  });

  it("rejects with what is thrown into it, and drops what waits", async () => {
    const steps = iterate(of("a", "b"));
    await steps.next();
    await expect(steps.throw(new Error("enough"))).rejects.toThrow("enough");
    expect(await steps.next()).toEqual({ done: true, value: undefined });
  });

  it("answers steps that were asked for together in their order", async () => {
    const source$ = new Subject<string>();
    const steps = iterate(source$);
    const asked = [steps.next(), steps.next(), steps.next(), steps.next()];
    source$.next("a");
    source$.next("b");
    source$.error(new Error("dry"));
    const [a, b, c, d] = await Promise.allSettled(asked);
    expect([a, b, d]).toMatchObject([
      { value: { value: "a" } },
      { value: { value: "b" } },
      { value: { done: true } },
    ]);
    expect(c).toMatchObject({ status: "rejected", reason: new Error("dry") });
  });

  it("lets go of its source when a stream of Node that is made of it is destroyed", async () => {
    const { source$, open } = counted(NEVER);
    const stream = Readable.from(iterate(source$));
    stream.resume();
    await vi.waitFor(() => expect(open()).toBe(1));
    stream.destroy();
    await vi.waitFor(() => expect(open()).toBe(0));
  });

  it("reads a long queue from its head without moving the rest", async () => {
    let sum = 0;
    for await (const n of iterate(range(1, 100_000))) sum += n;
    expect(sum).toBe(5_000_050_000);
  }, 5_000);
});
