import { NEVER, map, of, throwError } from "rxjs";
import { describe, expect, it } from "vitest";
import type { Settlement } from "../../../src/core/store-calls.ts";
import { releaseStage } from "../../../src/stages/release.ts";
import { claimedJob, withMarbles } from "../../support/marbles.ts";

describe("releaseStage", () => {
  it("tries again with the same array, by which a store finds what it had released already", () => {
    const tries: (readonly Settlement[])[] = [];
    const release = releaseStage({
      settle: (settlements) => {
        tries.push(settlements);
        if (tries.length === 1) return throwError(() => new Error("away"));
        return of({ accepted: ["a"], completed: [], readyQueues: [], cancelled: [] });
      },
      delayMs: () => 5,
      giveUp$: NEVER,
    });
    withMarbles(({ expectObservable }) => {
      const event$ = release([claimedJob({ id: "a" })]).pipe(map(({ type }) => type));
      expectObservable(event$).toBe("f----(r|)", { f: "settle-failed", r: "released" });
    });
    expect(tries).toHaveLength(2);
    expect(tries[1]).toBe(tries[0]);
    expect(tries[0]).toMatchObject([{ id: "a", outcome: { type: "released", reason: "unstarted" } }]);
  });
});
