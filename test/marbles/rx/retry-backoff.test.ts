import { EMPTY, NEVER, ReplaySubject, defer, of, take, throwError, timer } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import { retryBackoff } from "../../../src/rx/retry-backoff.ts";
import { withMarbles } from "../../support/marbles.ts";

/** Twice as long each time, from 2 ms. */
const doubling = (n: number): number => 2 ** n;

/** Reports as the letter `r`. */
const reporting = { delayMs: doubling, report: (): string => "r" };

/** Subscribes to the next of several Observables each time. */
function inTurn<T>(...sources: readonly Observable<T>[]): Observable<T> {
  let tries = 0;
  return defer(() => sources[tries++] ?? NEVER);
}

describe("retryBackoff", () => {
  it("subscribes again, later each time, and reports each failure", () => {
    withMarbles(({ cold, expectObservable }) => {
      const source$ = inTurn(cold("-#"), cold("-#"), cold("-a|"));
      const result = "             -r--r----a|";
      expectObservable(source$.pipe(retryBackoff(reporting))).toBe(result);
    });
  });

  it("tells the report the error and the delay", () => {
    withMarbles(({ cold, expectObservable }) => {
      const source$ = inTurn(cold("#", {}, "no"), cold("#", {}, "no"), cold("|"));
      const report = (error: unknown, delayMs: number): string => `${String(error)} ${delayMs}`;
      const wanted = { a: "no 2", b: "no 4" };
      expectObservable(source$.pipe(retryBackoff({ ...reporting, report }))).toBe("a-b---|", wanted);
    });
  });

  it("starts the delays over after a value", () => {
    withMarbles(({ cold, expectObservable }) => {
      const source$ = inTurn(cold("#"), cold("#"), cold("a#"), cold("#"), cold("(b|)"));
      const result = "             r-r---ar-r---(b|)";
      expectObservable(source$.pipe(retryBackoff(reporting))).toBe(result);
    });
  });

  it("goes on for ever", () => {
    withMarbles(({ cold, expectObservable }) => {
      const result$ = cold("#").pipe(retryBackoff({ ...reporting, delayMs: () => 60_000 }));
      expectObservable(result$, "120m 1ms !").toBe(`${"r 59999ms ".repeat(120)} r`);
    });
  });

  it("leaves a source that does not fail as it is", () => {
    withMarbles(({ cold, expectObservable }) => {
      expectObservable(EMPTY.pipe(retryBackoff(reporting))).toBe("|");
      expectObservable(of("a").pipe(retryBackoff(reporting))).toBe("(a|)");
      expectObservable(cold("-a-b|").pipe(retryBackoff(reporting))).toBe("-a-b|");
      expectObservable(NEVER.pipe(retryBackoff(reporting)), "---!").toBe("-");
    });
  });

  it("errors with what is fatal, without a report", () => {
    withMarbles(({ cold, expectObservable }) => {
      const source$ = inTurn(cold("#", {}, "away"), cold("#", {}, "fatal"));
      const fatal = (error: unknown): boolean => error === "fatal";
      expectObservable(source$.pipe(retryBackoff({ ...reporting, fatal }))).toBe("r-#", { r: "r" }, "fatal");
    });
  });

  it("completes between two tries when it is to give up", () => {
    withMarbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const source = cold(" -#");
      const giveUp$ = hot(" ------x-");
      const result = "      -r--r-|";
      expectObservable(source.pipe(retryBackoff({ ...reporting, giveUp$ }))).toBe(result);
      expectSubscriptions(giveUp$.subscriptions).toBe(["-^-!", "----^-!"]);
    });
  });

  it("lets a try that runs end when it is to give up, and tries no more after it", () => {
    withMarbles(({ cold, expectObservable }) => {
      const giveUp$ = new ReplaySubject<unknown>(1);
      timer(2).subscribe(giveUp$);
      expectObservable(cold("-----a|").pipe(retryBackoff({ ...reporting, giveUp$ }))).toBe("-----a|");
      expectObservable(cold("-----#").pipe(retryBackoff({ ...reporting, giveUp$ }))).toBe("-----(r|)");
    });
  });

  it("leaves the try that runs, or the delay, when it is unsubscribed", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("                                          --#");
      expectObservable(source.pipe(retryBackoff(reporting)), "       -----!").toBe("--r");
      expectSubscriptions(source.subscriptions).toBe(["^-!", "----^!"]);
      const failed = cold("#");
      expectObservable(failed.pipe(retryBackoff(reporting)), "       -!").toBe("r");
      expectSubscriptions(failed.subscriptions).toBe("(^!)");
    });
  });

  it("leaves the delay when its report ends the result", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold("#");
      expectObservable(source.pipe(retryBackoff(reporting), take(1))).toBe("(r|)");
      expectSubscriptions(source.subscriptions).toBe("(^!)");
    });
  });

  it.each(["delayMs", "report", "fatal"])("errors with what %s throws", (name) => {
    const thrown = new Error("a bug");
    const options = {
      ...reporting,
      [name]: () => {
        throw thrown;
      },
    };
    withMarbles(({ expectObservable }) => {
      const source$ = throwError(() => new Error("away"));
      expectObservable(source$.pipe(retryBackoff(options))).toBe("#", {}, thrown);
    });
  });

  it("keeps its count for each subscriber alone", () => {
    withMarbles(({ cold, expectObservable }) => {
      const result$ = cold("#").pipe(retryBackoff(reporting));
      expectObservable(result$, "   -------!").toBe("r-r---r");
      expectObservable(result$, "---^---!").toBe("---r-r");
    });
  });

  it("reports failures that come at once, one a turn", () => {
    const heard: string[] = [];
    withMarbles(() => {
      throwError(() => "no")
        .pipe(retryBackoff({ ...reporting, delayMs: () => 0 }), take(3))
        .subscribe((value) => heard.push(value));
    });
    expect(heard).toEqual(["r", "r", "r"]);
  });
});
