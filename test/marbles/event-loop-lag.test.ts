import { distinctUntilChanged, firstValueFrom, map, skip, take, tap } from "rxjs";
import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/core/errors.ts";
import { eventLoopLag } from "../../src/event-loop-lag.ts";
import { pass, setClock, useFakeClock, withMarbles, work } from "../support/marbles.ts";

/** Keeps the event loop from everything else. */
function busy(ms: number): void {
  const end = Date.now() + ms;
  while (Date.now() < end);
}

describe("eventLoopLag", () => {
  it("emits 0 at every interval while nothing is late, to each subscriber from its own start", () => {
    withMarbles(({ expectObservable }) => {
      const lag$ = eventLoopLag({ intervalMs: 4 });
      expectObservable(lag$, "^-------------!").toBe("----0---0---0--", { 0: 0 });
      expectObservable(lag$, "--^-------!").toBe("    ------0-------", { 0: 0 });
    });
  });

  it("measures every 100 ms unless told otherwise", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(eventLoopLag().pipe(take(2))).toBe("100ms 0 99ms (0|)", { 0: 0 });
    });
  });

  it("tells how long a real event loop was kept busy", async () => {
    const lag$ = eventLoopLag({ intervalMs: 5 }).pipe(
      tap(() => busy(60)),
      skip(1),
    );
    expect(await firstValueFrom(lag$)).toBeGreaterThanOrEqual(50);
  });

  it.each([0, -1, 1.5, Number.NaN, 3_600_001, "100"])("refuses an interval of %s", (intervalMs) => {
    const wrong = { intervalMs } as { intervalMs: number };
    expect(() => eventLoopLag(wrong)).toThrow(OptionError);
    expect(() => eventLoopLag(wrong)).toThrow("`intervalMs` to be an integer from 1 to 3600000, got ");
  });

  it("refuses an option that is none", () => {
    expect(() => eventLoopLag({ interval: 5 } as object)).toThrow('Unknown option "interval"');
  });
});

describe("eventLoopLag, with a clock that is moved by hand", () => {
  useFakeClock();

  /** Keeps the event loop busy where the diagram says `=`, and draws what was measured. */
  async function draw(eventLoop: string, intervalMs = 4): Promise<string> {
    const from = Date.now();
    let drawn = "";
    for (const { 0: busy, index } of eventLoop.matchAll(/=+/g)) {
      // What is busy before moves this timer, too.
      const idleMs = eventLoop.slice(0, index).replaceAll("=", "").length;
      setTimeout(() => work(busy.length), idleMs);
    }
    const lag = eventLoopLag({ intervalMs }).subscribe((lagMs) => {
      drawn = drawn.padEnd(Date.now() - from, "-") + String(lagMs);
    });
    await pass(eventLoop.replaceAll("=", "").length);
    lag.unsubscribe();
    return drawn.padEnd(eventLoop.length, "-");
  }

  it("emits how late the event loop comes to it", async () => {
    const eventLoop = "             --------==-------";
    const result = "                ----0-----2---0--";
    expect(await draw(eventLoop.trim())).toBe(result.trim());
  });

  it("counts from the last measurement, so that being late once is told once", async () => {
    const eventLoop = "             ----====----====------";
    const result = "                --------4-------4---0-";
    expect(await draw(eventLoop.trim())).toBe(result.trim());
  });

  it.each([3_600_000, -3_600_000])("sees nothing when the clock is set by %s ms", async (ms) => {
    const seen: number[] = [];
    const lag = eventLoopLag({ intervalMs: 4 }).subscribe((lagMs) => seen.push(lagMs));
    await pass(3);
    setClock(ms);
    await pass(5);
    lag.unsubscribe();
    expect(seen).toEqual([0, 0]);
  });

  it("is a gate with map and distinctUntilChanged", async () => {
    const gate: boolean[] = [];
    const subscription = eventLoopLag({ intervalMs: 4 })
      .pipe(
        map((ms) => ms < 100),
        distinctUntilChanged(),
      )
      .subscribe((open) => gate.push(open));
    await pass(11);
    work(150);
    await pass(20);
    subscription.unsubscribe();
    expect(gate).toEqual([true, false, true]);
  });
});
