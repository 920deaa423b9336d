import {
  EMPTY,
  NEVER,
  Subject,
  concat,
  firstValueFrom,
  from,
  lastValueFrom,
  map,
  merge,
  of,
  share,
  switchMap,
  take,
  tap,
  throwError,
} from "rxjs";
import type { Observable, Observer } from "rxjs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { guard } from "../../../src/rx/guard.ts";

const failed$ = throwError(() => new Error("dry"));

/** Throws, as a subscriber with a bug does. */
function bug(): never {
  throw new Error("a bug");
}

/** What was reported, as texts. */
function reports(): { readonly heard: string[]; readonly report: (thrown: unknown) => void } {
  const heard: string[] = [];
  return { heard, report: (thrown) => heard.push(String(thrown)) };
}

// RxJS rethrows from a timer what nobody caught. Here such a throw would come out of the test.
beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.runAllTimers();
  vi.useRealTimers();
});

describe("guard", () => {
  it("passes everything on to a subscriber without a bug", () => {
    const { heard, report } = reports();
    const values: unknown[] = [];
    const observer = { next: (value: unknown) => values.push(value), complete: () => values.push("|") };
    guard(of(1, 2), report).subscribe(observer);
    guard(EMPTY, report).subscribe(observer);
    guard(failed$, report).subscribe({ ...observer, error: (error) => values.push(String(error)) });
    guard(NEVER, report).subscribe(observer).unsubscribe();
    expect(values).toEqual([1, 2, "|", "|", "Error: dry"]);
    expect(heard).toEqual([]);
  });

  it("reports what a subscriber throws, and gives it the next value all the same", () => {
    const { heard, report } = reports();
    const values: number[] = [];
    guard(of(1, 2, 3), report).subscribe((value) => {
      values.push(value);
      if (value < 3) throw new Error(`a bug at ${value}`);
    });
    expect(values).toEqual([1, 2, 3]);
    expect(heard).toEqual(["Error: a bug at 1", "Error: a bug at 2"]);
  });

  it("reports what the handlers of an error and of a completion throw", () => {
    const { heard, report } = reports();
    guard(failed$, report).subscribe({ error: bug });
    guard(EMPTY, report).subscribe({ complete: bug });
    expect(heard).toEqual(["Error: a bug", "Error: a bug"]);
  });

  it.each<[string, Partial<Observer<unknown>> | ((value: unknown) => void) | undefined]>([
    ["a function", () => undefined],
    ["an observer", { next: () => undefined }],
    ["nothing", undefined],
  ])("reports an error that %s does not handle", (_, observer) => {
    const { heard, report } = reports();
    guard(failed$, report).subscribe(observer);
    expect(heard).toEqual(["Error: dry"]);
  });

  it("takes the three functions that RxJS still takes", () => {
    const { heard, report } = reports();
    const told: unknown[] = [];
    const subscribe = (source$: Observable<unknown>): void => {
      // eslint-disable-next-line typescript/no-deprecated -- it is still there, so it must work
      guard(source$, report).subscribe(
        (value) => told.push(value),
        (error) => told.push(String(error)),
        () => told.push("|"),
      );
    };
    subscribe(of(1));
    subscribe(failed$);
    expect(told).toEqual([1, "|", "Error: dry"]);
    expect(heard).toEqual([]);
  });

  it("keeps the methods of an observer bound to it", () => {
    const { heard, report } = reports();
    class Count {
      total = 0;
      next(value: number): void {
        this.total += value;
      }
    }
    const count = new Count();
    guard(of(1, 2), report).subscribe(count);
    expect([count.total, heard]).toEqual([3, []]);
  });

  it("guards whoever subscribes to what operators make of it", () => {
    const { heard, report } = reports();
    const piped$ = guard(of(1, 2), report).pipe(
      map((value) => value * 10),
      switchMap((value) => of(value)),
      tap(() => undefined),
    );
    const values: number[] = [];
    piped$.subscribe((value) => {
      values.push(value);
      bug();
    });
    guard(failed$, report)
      .pipe(map(() => 1))
      .subscribe();
    expect(values).toEqual([10, 20]);
    expect(heard).toEqual(["Error: a bug", "Error: a bug", "Error: dry"]);
  });

  it("reports what the function of an operator throws, when nobody handles that", () => {
    const { heard, report } = reports();
    guard(of(1), report).pipe(map(bug)).subscribe();
    expect(heard).toEqual(["Error: a bug"]);
  });

  it("lets subscribers be, each for itself", () => {
    const { heard, report } = reports();
    const source$ = new Subject<number>();
    const guarded$ = guard(source$, report);
    const values: number[] = [];
    guarded$.subscribe(bug);
    guarded$.subscribe((value) => values.push(value));
    source$.next(1);
    source$.next(2);
    expect(values).toEqual([1, 2]);
    expect(heard).toEqual(["Error: a bug", "Error: a bug"]);
  });

  it("leaves its source when it is unsubscribed, also from inside", () => {
    const { report } = reports();
    const source$ = new Subject<number>();
    const subscription = guard(source$, report).subscribe();
    expect(source$.observed).toBe(true);
    subscription.unsubscribe();
    expect(source$.observed).toBe(false);
    guard(source$, report).pipe(take(1)).subscribe(bug);
    source$.next(1);
    expect(source$.observed).toBe(false);
  });

  it("works with everything that makes something else of an Observable", async () => {
    const { heard, report } = reports();
    const guarded$ = guard(of(1, 2), report);
    expect(await firstValueFrom(guarded$)).toBe(1);
    expect(await lastValueFrom(guarded$)).toBe(2);
    expect(await lastValueFrom(merge(guarded$, concat(guarded$, from(guarded$))))).toBe(2);
    expect(await lastValueFrom(guarded$.pipe(share()))).toBe(2);
    const values: number[] = [];
    await guarded$.forEach((value) => values.push(value));
    expect(values).toEqual([1, 2]);
    // eslint-disable-next-line typescript/no-deprecated -- it is still there, so it must work
    expect(await guarded$.toPromise()).toBe(2);
    await expect(firstValueFrom(guard(failed$, report))).rejects.toThrow("dry");
    // eslint-disable-next-line typescript/no-deprecated -- it is still there, so it must work
    await expect(guard(failed$, report).toPromise()).rejects.toThrow("dry");
    expect(heard).toEqual([]);
  });

  it("feeds a Subject", () => {
    const { heard, report } = reports();
    const fed$ = new Subject<number>();
    const values: unknown[] = [];
    fed$.subscribe({ next: (value) => values.push(value), complete: () => values.push("|") });
    guard(of(1, 2), report).subscribe(fed$);
    expect(values).toEqual([1, 2, "|"]);
    expect(heard).toEqual([]);
  });
});
