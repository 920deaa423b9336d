import fc from "fast-check";
import {
  EMPTY,
  NEVER,
  asyncScheduler,
  catchError,
  concat,
  concatMap,
  delay,
  firstValueFrom,
  from,
  ignoreElements,
  lastValueFrom,
  map,
  of,
  range,
  tap,
  throwError,
  timer,
  toArray,
} from "rxjs";
import type { Observable, ObservableInput } from "rxjs";
import { describe, expect, it } from "vitest";
import { ClosedError, EnqueueError, OptionError, PayloadError, SchemaError } from "../../src/core/errors.ts";
import { enqueueEach } from "../../src/enqueue-each.ts";
import type { EnqueueEachSetup, Enqueuing, MadeJobs } from "../../src/enqueue-each.ts";
import { withMarbles } from "../support/marbles.ts";

/** Writes in three milliseconds; ids are capitals. */
function write(jobs: readonly string[]): Observable<readonly string[]> {
  return timer(3).pipe(map(() => jobs.map((job) => job.toUpperCase())));
}

/** Takes values for jobs, as they are. */
function made(jobs: readonly string[]): MadeJobs<string> {
  return { parts: jobs.length === 0 ? [] : [jobs] };
}

function enqueuing(setup: Partial<EnqueueEachSetup<string, string>> = {}): Enqueuing<string> {
  return enqueueEach({ make: (values) => of(made(values)), write, max: 1_000, ...setup });
}

/** The error of a stream as a value: all that it tells but its message. */
function told(result$: Observable<string>): Observable<unknown> {
  return result$.pipe(
    catchError((error: unknown) => {
      if (!(error instanceof EnqueueError)) throw error;
      const { reason, written, uncertain, unwritten, cause } = error;
      return of({ reason, written, uncertain, unwritten: unwritten.join(""), cause });
    }),
  );
}

const NO = new PayloadError("no");

/** Refuses a letter. */
function refuse(
  letter: string,
  error: unknown = NO,
): (values: readonly string[]) => Observable<MadeJobs<string>> {
  return (values) => {
    const index = values.indexOf(letter);
    return of(index === -1 ? made(values) : { ...made(values.slice(0, index)), refused: { error } });
  };
}

/** Fails to write a batch that begins with a letter, after a millisecond. */
function failAt(letter: string, error: unknown): typeof write {
  const failed$ = timer(1).pipe(concatMap(() => throwError(() => error)));
  return (jobs) => (jobs[0] === letter ? failed$ : write(jobs));
}

describe("enqueueEach", () => {
  it("writes a value, gathers what comes meanwhile, and emits the ids in order", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot("    -abc------d----|");
      const result = "         ----A--(BC)--D-|";
      expectObservable(source$.pipe(enqueuing())).toBe(result);
      expectSubscriptions(source$.subscriptions).toBe("^--------------!");
    });
  });

  it("writes at most max at once", () => {
    withMarbles(({ hot, expectObservable }) => {
      const slowly: typeof write = (jobs) => write(jobs).pipe(delay(2));
      const source$ = hot("-abcdef|");
      const result = "     ------A----(BC)-(DE)-(F|)";
      expectObservable(source$.pipe(enqueuing({ max: 2, write: slowly }))).toBe(result);
    });
  });

  it("emits nothing of an empty source, and of one that never emits", () => {
    withMarbles(({ expectObservable }) => {
      const write = (): never => expect.unreachable();
      expectObservable(EMPTY.pipe(enqueuing({ write }))).toBe("|");
      expectObservable(NEVER.pipe(enqueuing({ write })), "---!").toBe("-");
      expectObservable(enqueuing({ write })([])).toBe("|");
    });
  });

  it("drops its source and the insert in flight when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold("   -a-b-");
      const written$ = cold("   ---(w|)", { w: ["A"] });
      expectObservable(source$.pipe(enqueuing({ write: () => written$ })), "---!").toBe("-");
      expectSubscriptions(source$.subscriptions).toBe(" ^--!");
      expectSubscriptions(written$.subscriptions).toBe("-^-!");
    });
  });

  it("starts over for each subscriber", () => {
    withMarbles(({ cold, expectObservable }) => {
      const indexes: number[] = [];
      const make = (jobs: readonly string[], index: number): Observable<MadeJobs<string>> => {
        indexes.push(index);
        return of(made(jobs));
      };
      const id$ = cold("-a--b|").pipe(enqueuing({ make }), toArray());
      expectObservable(concat(id$, id$)).toBe("-------i------(i|)", { i: ["A", "B"] });
      expectObservable(timer(20).pipe(map(() => indexes.join("")))).toBe("20ms (i|)", { i: "0101" });
    });
  });
});

describe("enqueueEach, when it goes wrong", () => {
  it("writes all that came before an error of the source, and then tells it", () => {
    withMarbles(({ hot, expectObservable }) => {
      const source$ = hot("-abc#");
      const result = "     ----A--(BCE|)";
      const E = { reason: "source", written: 3, uncertain: 0, unwritten: "", cause: "error" };
      expectObservable(source$.pipe(enqueuing(), told)).toBe(result, { A: "A", B: "B", C: "C", E });
    });
  });

  it("writes all that came before a value that is refused, and nothing after", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot("-abcd--e-f");
      const result = "     ----A--(BE|)";
      const E = { reason: "value", written: 2, uncertain: 0, unwritten: "cde", cause: NO };
      expectObservable(source$.pipe(enqueuing({ make: refuse("c") }), told)).toBe(result, {
        A: "A",
        B: "B",
        E,
      });
      expectSubscriptions(source$.subscriptions).toBe("^------!");
    });
  });

  it("tells at once of a first value that is refused", () => {
    withMarbles(({ hot, expectObservable }) => {
      const E = { reason: "value", written: 0, uncertain: 0, unwritten: "a", cause: NO };
      expectObservable(hot("-ab").pipe(enqueuing({ make: refuse("a") }), told)).toBe("-(E|)", { E });
    });
  });

  it("tells what was read and not written when an insert fails, and writes nothing more", () => {
    withMarbles(({ hot, expectObservable, expectSubscriptions }) => {
      const gone = new Error("Connection terminated unexpectedly");
      const source$ = hot("-abc-d");
      const write = failAt("b", gone);
      const E = { reason: "write", written: 1, uncertain: 2, unwritten: "bcd", cause: gone };
      const told$ = source$.pipe(enqueuing({ write }), told);
      expectObservable(told$).toBe("----A(E|)", { A: "A", E });
      expectSubscriptions(source$.subscriptions).toBe("^----!");
    });
  });

  it("writes the parts of a batch one after the other, and counts those before one that fails", () => {
    withMarbles(({ hot, expectObservable }) => {
      const make = (values: readonly string[]): Observable<MadeJobs<string>> =>
        of({ parts: values.map((value) => [value]) });
      const error = new SchemaError("no tables");
      const E = { reason: "write", written: 3, uncertain: 0, unwritten: "de", cause: error };
      const id$ = hot("-abcde|").pipe(enqueuing({ make, write: failAt("d", error) }), told);
      expectObservable(id$).toBe("----A--B--C(E|)", { A: "A", B: "B", C: "C", E });
    });
  });

  it.each<[string, unknown, number]>([
    ["a lost connection", new Error("Connection terminated unexpectedly"), 2],
    ["a reset connection", Object.assign(new Error("read"), { code: "ECONNRESET" }), 2],
    ["the end of the server", Object.assign(new Error("ended"), { code: "57P01", severity: "FATAL" }), 2],
    [
      "a connection that a pooler lost",
      Object.assign(new Error("x"), { code: "08P01", severity: "ERROR" }),
      2,
    ],
    ["something that is no error", "gone", 2],
    ["a refusal by the server", Object.assign(new Error("no"), { code: "42501", severity: "ERROR" }), 0],
    ["missing tables", new SchemaError("no tables"), 0],
    ["a closed client", new ClosedError("closed"), 0],
  ])("after %s tells whether the insert may be done", (_what, cause, uncertain) => {
    withMarbles(({ hot, expectObservable }) => {
      const E = { reason: "write", written: 1, uncertain, unwritten: "bc", cause };
      expectObservable(hot("-abc|").pipe(enqueuing({ write: failAt("b", cause) }), told)).toBe("----A(E|)", {
        A: "A",
        E,
      });
    });
  });

  it("tells of a write that throws", () => {
    const write = (): never => {
      throw new ClosedError("closed");
    };
    const heard: unknown[] = [];
    told(of("a").pipe(enqueuing({ write }))).subscribe((value) => heard.push(value));
    expect(heard).toMatchObject([{ reason: "write", written: 0, uncertain: 0, unwritten: "a" }]);
  });

  it("names the index and the reason in its message, but quotes nobody's values", async () => {
    const messageOf = async (source: ObservableInput<string>, setup: Parameters<typeof enqueuing>[0]) =>
      firstValueFrom(
        enqueuing({ write: (jobs) => of(jobs), ...setup })(source).pipe(
          ignoreElements(),
          catchError((error: Error) => of(error.message)),
        ),
      );
    const secret = new Error("secret");
    const failed$ = concat(
      of("a"),
      throwError(() => secret),
    );
    expect(await messageOf(["a", "b"], { make: refuse("b") })).toBe("The value at index 1 was refused: no");
    expect(await messageOf(["a", "b"], { make: refuse("b", secret) })).toBe(
      "The value at index 1 was refused: `map` or `options` threw, see `cause`",
    );
    expect(await messageOf(failed$, {})).toBe("The source failed after 1 values, which are all enqueued");
    expect(await messageOf(["a", "b"], { write: failAt("a", new Error("no connection")) })).toBe(
      "Enqueuing failed when 0 values were enqueued: no connection",
    );
  });

  it.each([undefined, null, 5, {}, () => EMPTY])("refuses %s for a source at the call", (source) => {
    expect(() => enqueuing()(source as never)).toThrow(OptionError);
    expect(() => enqueuing()(source as never)).toThrow("`source` to be an Observable, or an iterable");
  });
});

describe("enqueueEach of an iterable", () => {
  it("reads max ahead of the insert in flight, and on when that is done", () => {
    withMarbles(({ expectObservable }) => {
      const read: string[] = [];
      function* letters(): Generator<string> {
        for (const letter of "abcdefg") {
          read.push(letter);
          yield letter;
        }
      }
      const slowly: typeof write = (jobs) => write(jobs).pipe(delay(2));
      const id$ = enqueuing({ max: 2, write: slowly })(letters());
      expectObservable(id$).toBe("-----A----(BC)-(DE)-(FG|)");
      const moments$ = from([4, 9, 14]).pipe(concatMap((at) => timer(at - asyncScheduler.now())));
      expectObservable(moments$.pipe(map(() => read.join("")))).toBe("----a----b----(c|)", {
        a: "abc",
        b: "abcde",
        c: "abcdefg",
      });
    });
  });

  it("leaves the iterable when it is unsubscribed, and when an insert fails", () => {
    const left: string[] = [];
    function* letters(name: string): Generator<string> {
      try {
        yield* "abc";
      } finally {
        left.push(name);
      }
    }
    enqueuing({ write: () => NEVER, max: 1 })(letters("unsubscribed"))
      .subscribe()
      .unsubscribe();
    told(enqueuing({ write: () => throwError(() => NO), max: 1 })(letters("failed"))).subscribe();
    expect(left).toEqual(["unsubscribed", "failed"]);
  });

  it.each([1, 7, 100])("never has more than twice a max of %i in hand of an async iterable", async (max) => {
    let read = 0;
    let most = 0;
    let written = 0;
    async function* numbers(): AsyncGenerator<number> {
      while (read < 1_000) {
        read += 1;
        most = Math.max(most, read - written);
        yield read;
      }
    }
    const batches: number[] = [];
    const id$ = enqueueEach<number, number>({
      max,
      make: (jobs) => of({ parts: [jobs] }),
      write: async (jobs) => {
        batches.push(jobs.length);
        for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
        written += jobs.length;
        return jobs.map(String);
      },
    })(numbers());
    const ids = await lastValueFrom(id$.pipe(toArray()));
    expect(ids).toEqual(Array.from({ length: 1_000 }, (_, index) => String(index + 1)));
    // What was written last is told after the next were read.
    expect(most).toBeLessThanOrEqual(2 * max);
    expect(Math.max(...batches)).toBe(max);
  });

  it("reads an Observable as fast as it pushes: that is kept in memory", () => {
    withMarbles(({ expectObservable }) => {
      let read = 0;
      const source$ = range(1, 5_000).pipe(
        tap(() => (read += 1)),
        map((n) => String(n)),
      );
      expectObservable(source$.pipe(enqueuing({ max: 10 })), "--!").toBe("-");
      expectObservable(timer(1).pipe(map(() => read))).toBe("-(r|)", { r: 5_000 });
    });
  });
});

describe("enqueueEach, whatever happens", () => {
  const trouble = fc.record({
    text: fc.stringMatching(/^[a-z]{0,30}$/),
    max: fc.integer({ min: 1, max: 5 }),
    gapMs: fc.integer({ min: 0, max: 3 }),
    refusedIndex: fc.integer({ min: 0, max: 60 }),
    failingWrite: fc.integer({ min: 0, max: 20 }),
    sourceFails: fc.boolean(),
    isPulled: fc.boolean(),
  });

  it("has enqueued the first `written` values, and hands back all others that it took", () => {
    fc.assert(
      fc.property(trouble, ({ text, max, gapMs, refusedIndex, failingWrite, sourceFails, isPulled }) => {
        const taken: string[] = [];
        const kept: string[] = [];
        const ids: string[] = [];
        let writes = 0;
        let end: unknown;
        function* letters(): Generator<string> {
          for (const letter of text) {
            if (isPulled) taken.push(letter);
            yield letter;
          }
          if (sourceFails) throw new Error("the source is dry");
        }
        withMarbles(({ flush }) => {
          const pushed$ = from(letters()).pipe(
            concatMap((letter) => of(letter).pipe(delay(gapMs))),
            tap((letter) => taken.push(letter)),
          );
          const enqueue = enqueueEach<string, string>({
            max,
            make: (values, index) => {
              const at = refusedIndex - index;
              if (at < 0 || at >= values.length) return of(made(values));
              return of({ ...made(values.slice(0, at)), refused: { error: NO } });
            },
            write: (jobs) => {
              if (writes++ === failingWrite) return timer(1).pipe(concatMap(() => throwError(() => NO)));
              kept.push(...jobs);
              return write(jobs);
            },
          });
          enqueue(isPulled ? letters() : pushed$).subscribe({
            next: (id) => ids.push(id),
            error: (error: unknown) => (end = error),
            complete: () => (end = "complete"),
          });
          flush();
        });
        expect(ids.join("")).toBe(kept.join("").toUpperCase());
        if (end === "complete") {
          expect(sourceFails).toBe(false);
          expect(kept.join("")).toBe(text);
          return;
        }
        if (!(end instanceof EnqueueError)) throw new Error(`It ended with ${String(end)}`);
        expect(end.written).toBe(kept.length);
        expect([...kept, ...end.unwritten].join("")).toBe(taken.join(""));
      }),
      { numRuns: 300 },
    );
  });
});
