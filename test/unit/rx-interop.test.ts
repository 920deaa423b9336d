import { Observable, Subject, of, throwError } from "rxjs";
import { describe, expect, it } from "vitest";
import { OptionError, fromSignal, iterate, toSignal } from "../../src/index.ts";

/** Hands a value to a call that would not take it, as JavaScript would. */
const as = <T>(value: unknown): T => value as T;

describe.each<[string, unknown]>([
  ["undefined", undefined],
  ["null", null],
  ["a text", "x"],
  ["an object", {}],
])("%s", (_, wrong) => {
  it.each<[string, () => unknown, string]>([
    ["iterate", () => iterate(as<never>(wrong)), "Expected `source$` to be an Observable"],
    ["toSignal", () => toSignal(as(wrong)), "Expected `source$` to be an Observable"],
    ["fromSignal", () => fromSignal(as(wrong)), "Expected `signal` to be an AbortSignal"],
  ])("is refused by %s at the call", (_name, call, message) => {
    expect(call).toThrow(OptionError);
    expect(call).toThrow(message);
  });
});

describe("iterate", () => {
  it.each([
    [{ limit: 0, dropped: String }, "Expected `limit` to be an integer from 1 up, got 0 (number)"],
    [{ dropped: String }, "Expected `limit` to be an integer from 1 up, got null"],
    [{ limit: 1 }, "Expected `dropped` to be a function, got null"],
    [{ limit: 1, dropped: String, more: 1 }, 'Unknown option "more"'],
  ])("refuses the options %j at the call", (options, message) => {
    expect(() => iterate(of("a"), as<{ limit: number; dropped: typeof String }>(options))).toThrow(message);
  });

  it("reads the values in their order, those of before the loop was ready too", async () => {
    const read: string[] = [];
    for await (const value of iterate(of("a", "b", "c"))) read.push(value);
    expect(read).toEqual(["a", "b", "c"]);
  });

  it("reads nothing from an empty source", async () => {
    const read: unknown[] = [];
    for await (const value of iterate(of())) read.push(value);
    expect(read).toEqual([]);
  });

  it("throws the error of the source after the values before it", async () => {
    const source$ = new Observable<string>((subscriber) => {
      subscriber.next("a");
      subscriber.error(new Error("dry"));
    });
    const steps = iterate(source$);
    await expect(steps.next()).resolves.toEqual({ done: false, value: "a" });
    await expect(steps.next()).rejects.toThrow("dry");
  });

  it("throws an error that is undefined", async () => {
    const steps = iterate(throwError(() => undefined));
    await expect(steps.next()).rejects.toBeUndefined();
  });

  it("unsubscribes when the loop is left", async () => {
    const source$ = new Subject<string>();
    const steps = iterate(source$);
    const first = steps.next();
    expect(source$.observed).toBe(true);
    source$.next("a");
    await first;
    await steps.return();
    expect(source$.observed).toBe(false);
  });

  it("wakes a loop that waits", async () => {
    const source$ = new Subject<string>();
    const steps = iterate(source$);
    const first = steps.next();
    source$.next("a");
    await expect(first).resolves.toEqual({ done: false, value: "a" });
    const second = steps.next();
    source$.complete();
    await expect(second).resolves.toEqual({ done: true, value: undefined });
  });

  it("subscribes at the first step and not before", () => {
    let subscribed = false;
    iterate(new Observable(() => void (subscribed = true)));
    expect(subscribed).toBe(false);
  });
});

describe("fromSignal", () => {
  it("emits the reason when the signal fires, and completes", () => {
    const controller = new AbortController();
    const seen: unknown[] = [];
    fromSignal(controller.signal).subscribe({
      next: (reason) => seen.push(reason),
      complete: () => seen.push("|"),
    });
    expect(seen).toEqual([]);
    controller.abort("enough");
    expect(seen).toEqual(["enough", "|"]);
  });

  it("emits at once for a signal that has fired", () => {
    const seen: unknown[] = [];
    fromSignal(AbortSignal.abort("before")).subscribe({
      next: (reason) => seen.push(reason),
      complete: () => seen.push("|"),
    });
    expect(seen).toEqual(["before", "|"]);
  });

  it("takes its listener away when it is unsubscribed", () => {
    const controller = new AbortController();
    const seen: unknown[] = [];
    fromSignal(controller.signal)
      .subscribe((reason) => seen.push(reason))
      .unsubscribe();
    controller.abort();
    expect(seen).toEqual([]);
  });
});
