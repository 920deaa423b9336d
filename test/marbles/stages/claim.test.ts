import { NEVER, Subject } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { describe, expect, it } from "vitest";
import type { ClaimedJob } from "../../../src/core/job.ts";
import type { ClaimRequest } from "../../../src/core/store-calls.ts";
import { claimStage } from "../../../src/stages/claim.ts";
import { claimedJob } from "../../support/marbles.ts";

const none: Readonly<Record<string, readonly ClaimedJob[]>> = { a: [] };

const DEMAND = { limit: 3, startLimit: 2, started: [] };

function inTime(story: (helpers: Parameters<Parameters<TestScheduler["run"]>[0]>[0]) => void): void {
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(story);
}

describe("claimStage", () => {
  it("tries again until a batch comes, and asks the demand anew each time", () => {
    inTime(({ cold, expectObservable }) => {
      const jobs = [claimedJob(), claimedJob({ id: "2" })];
      const store = [cold("--#", none), cold("--#", none), cold("--(a|)", { a: jobs })];
      let asked = 0;
      const claim = claimStage({
        claim: () => store[asked - 1] ?? NEVER,
        workerId: "w",
        kinds: ["mill"],
        delayMs: (n) => 3 * n,
        stop$: NEVER,
      });
      const result$ = claim("default", () => {
        asked += 1;
        return DEMAND;
      });
      const error = { name: "NonError", message: "error" };
      expectObservable(result$).toBe("--f----g-------(B|)", {
        f: { type: "claim-failed", queue: "default", error, retryInMs: 3 },
        g: { type: "claim-failed", queue: "default", error, retryInMs: 6 },
        B: { type: "batch", jobs },
      });
    });
  });

  it("numbers its calls through all queues, and says from which on nobody heard", () => {
    inTime(({ cold, flush }) => {
      const requests: ClaimRequest[] = [];
      const answers = ["#", "#", "(a|)", "(a|)", "#"].map((marbles) => cold(marbles, none));
      const claim = claimStage({
        claim: (request) => {
          requests.push(request);
          return answers.shift() ?? cold("(a|)", none);
        },
        workerId: "w",
        kinds: ["mill"],
        delayMs: () => 1,
        stop$: NEVER,
      });
      for (const queue of ["left", "right", "left"]) {
        claim(queue, () => DEMAND).subscribe();
        flush();
      }
      expect(requests.map(({ queue, call, lostFrom }) => [queue, call, lostFrom])).toEqual([
        ["left", 1, undefined],
        ["left", 2, 1],
        ["left", 3, 1],
        ["right", 4, undefined],
        ["left", 5, undefined],
        ["left", 6, 5],
      ]);
    });
  });

  it("makes no further try after the stop", () => {
    inTime(({ cold, expectObservable, hot }) => {
      const stop$ = new Subject<void>();
      hot("---s").subscribe(() => stop$.next());
      const claim = claimStage({
        claim: () => cold("-#", none),
        workerId: "w",
        kinds: ["mill"],
        delayMs: () => 5,
        stop$,
      });
      const failed = {
        type: "claim-failed",
        queue: "default",
        error: { name: "NonError", message: "error" },
        retryInMs: 5,
      };
      expectObservable(claim("default", () => DEMAND)).toBe("-f-|", { f: failed });
    });
  });
});
