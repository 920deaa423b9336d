import { TestScheduler } from "rxjs/testing";
import type { RunHelpers } from "rxjs/testing";
import { afterEach, beforeEach, expect, vi } from "vitest";
import type { ClaimedJob } from "../../src/core/job.ts";

/** Two days of virtual time: what still waits then was left behind. */
const LAST_FRAME = 2 * 24 * 3_600_000;

/**
 * Runs a marble test; one frame is one millisecond. Fails also when a timer is left that goes on
 * after everything was unsubscribed.
 */
export function withMarbles(test: (marbles: RunHelpers) => void): void {
  const scheduler = new TestScheduler((actual, wanted) => expect(actual).toEqual(wanted));
  scheduler.run((marbles) => {
    scheduler.maxFrames = LAST_FRAME;
    test(marbles);
    marbles.flush();
    expect(scheduler.actions.map(({ delay }) => `a timer at ${delay} ms`)).toEqual([]);
  });
}

/** What the clocks of `useFakeClock` move. */
const FAKED = ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"] as const;

/** How long the thread was kept busy by `work`, in milliseconds. */
let busyMs = 0;

/**
 * Lets the tests of a file move all timers by hand, for what `TestScheduler` cannot: promises, and
 * subscribers that take time. Each test fails when it leaves a timer.
 */
export function useFakeClock(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: [...FAKED] });
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + busyMs);
  });
  afterEach(() => {
    const left = vi.getTimerCount();
    vi.restoreAllMocks();
    vi.useRealTimers();
    expect(left).toBe(0);
  });
}

/** Lets time pass, and what is promised meanwhile be kept. */
export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** Keeps the thread busy: the clocks go on, and no timer fires. */
export function work(ms: number): void {
  busyMs += ms;
  setClock(ms);
}

/** Sets the clock of the machine forward, or back: no time passes. */
export function setClock(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

/** A job as a store hands it over. */
export function claimedJob(fields: Partial<ClaimedJob> = {}): ClaimedJob {
  return {
    id: "1",
    kind: "mill",
    queue: "default",
    payload: { grain: "rye" },
    source: undefined,
    priority: 0,
    attempt: 1,
    maxAttempts: 3,
    crashes: 0,
    token: 1,
    enqueuedAt: new Date(0),
    waitMs: 0,
    timeoutMs: undefined,
    backoff: undefined,
    keepResultMs: undefined,
    lastProgress: undefined,
    ...fields,
  };
}
