import { defer, of, throwError } from "rxjs";
import type { Observable } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { beforeEach, describe, expect, it } from "vitest";
import { leaseStage } from "../../../src/stages/lease.ts";

const error = expect.objectContaining({ message: "away" });
const told = {
  h: { type: "held", workerId: "7" },
  f: { type: "heartbeat-failed", error, retryInMs: 1 },
  x: { type: "expired" },
};

describe("leaseStage", () => {
  let scheduler: TestScheduler;

  beforeEach(() => {
    scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  });

  /** Answers to beats at these times by failing, to those at others by renewing. */
  function failingAt(times: (time: number) => boolean): () => Observable<boolean> {
    return () => defer(() => (times(scheduler.now()) ? throwError(() => new Error("away")) : of(true)));
  }

  it("renews every third, again after a twelfth where that failed, and tells when none came through", () => {
    scheduler.run(({ expectObservable }) => {
      const heartbeat = failingAt((time) => time === 8 || time >= 16);
      const lease$ = leaseStage({ register: () => of("7"), heartbeat, leaseDurationMs: 12 });
      expectObservable(lease$).toBe("h-------f-------ffffffff(fx|)", told);
    });
  });

  it("keeps the lease though the answers to all beats get lost, each once", () => {
    scheduler.run(({ expectObservable }) => {
      const heartbeat = failingAt((time) => time % 4 === 0);
      const lease$ = leaseStage({ register: () => of("7"), heartbeat, leaseDurationMs: 12 });
      expectObservable(lease$, "^------------------------------!").toBe(
        "                        h---f---f---f---f---f---f---f---",
        told,
      );
    });
  });

  it("sends no beat again while the one before it has not ended", () => {
    scheduler.run(({ cold, expectObservable, expectSubscriptions }) => {
      // An answer takes 6, and the first beat fails then.
      const slow$ = cold<boolean>("------#", {}, new Error("away"));
      const quick$ = cold<boolean>("(r|)", { r: true });
      let beats = 0;
      const heartbeat = () => ((beats += 1) === 1 ? slow$ : quick$);
      const lease$ = leaseStage({ register: () => of("7"), heartbeat, leaseDurationMs: 12 });
      expectObservable(lease$, "^--------------!").toBe("h---------f-----", told);
      expectSubscriptions(slow$.subscriptions).toBe("    ----^-----!");
      expectSubscriptions(quick$.subscriptions).toBe(["-----------(^!)", "------------(^!)"]);
    });
  });
});
