import { NEVER, concat, of } from "rxjs";
import { describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../../src/core/events.ts";
import { gatherFor } from "../../../src/rx/gather-for.ts";
import { attemptStage } from "../../../src/stages/attempt.ts";
import { drain } from "../../../src/stages/drain.ts";
import { leaseStage } from "../../../src/stages/lease.ts";
import { pollStage } from "../../../src/stages/poll.ts";
import { attemptSetup, hear } from "../../support/attempts.ts";
import { claimedJob, pass, useFakeClock } from "../../support/marbles.ts";

const DAY = 24 * 3_600_000;

// A timer of Node holds 24.8 days; above it waits for one millisecond.
describe("durations of a month and more", () => {
  useFakeClock();

  it("do not end an attempt at once", async () => {
    const { heard } = hear(
      attemptStage(attemptSetup(() => NEVER, { timeoutMs: 30 * DAY }))(claimedJob(), NEVER),
    );
    await pass(30 * DAY - 1);
    expect(heard).toHaveLength(1);
    await pass(1);
    expect(heard).toMatchObject([{ type: "attempt-started" }, { outcome: { type: "retried" } }]);
  });

  it("do not end a drain at once", async () => {
    const heard: WorkerEvent[] = [];
    const shutdown$ = concat(of(undefined), NEVER);
    const setup = {
      shutdown$,
      drainTimeoutMs: 30 * DAY,
      running: new Set<never>(),
      interrupt: () => undefined,
    };
    const subscription = NEVER.pipe(drain(setup)).subscribe((event) => heard.push(event));
    await pass(DAY);
    expect(heard).toEqual([{ type: "draining", running: 0 }]);
    subscription.unsubscribe();
  });

  it("do not hand on a batch at once", async () => {
    const heard: (readonly string[])[] = [];
    const batch$ = concat(of("a"), NEVER).pipe(gatherFor({ max: 2, maxWaitMs: 30 * DAY }));
    const subscription = batch$.subscribe((batch) => heard.push(batch));
    await pass(30 * DAY - 1);
    expect(heard).toEqual([]);
    await pass(1);
    expect(heard).toEqual([["a"]]);
    subscription.unsubscribe();
  });

  it("do not poll without a pause", async () => {
    let polls = 0;
    const promote = () => {
      polls += 1;
      return of({ readyQueues: [], dueInMs: undefined, cancelled: [] });
    };
    const setup = {
      promote,
      pollIntervalMs: 60 * DAY,
      dueInMs$: NEVER,
      delayMs: () => 1,
      cancel: () => undefined,
    };
    const subscription = pollStage(setup).subscribe();
    await pass(DAY);
    expect(polls).toBe(1);
    subscription.unsubscribe();
  });

  it("do not renew a lease without a pause, or lose it", async () => {
    let beats = 0;
    const heartbeat = () => {
      beats += 1;
      return of(true);
    };
    const heard: unknown[] = [];
    const subscription = leaseStage({
      register: () => of("w"),
      heartbeat,
      leaseDurationMs: 365 * DAY,
    }).subscribe((change) => heard.push(change));
    await pass(100 * DAY);
    expect(beats).toBeLessThan(15);
    expect(heard).toEqual([{ type: "held", workerId: "w" }]);
    subscription.unsubscribe();
  });
});
