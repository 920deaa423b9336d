import { TestScheduler } from "rxjs/testing";
import { concatMap, defer, from, ignoreElements, tap, timer } from "rxjs";
import { describe, expect, it } from "vitest";
import type { ClaimedJob } from "../../../src/core/job.ts";
import { createMark } from "../../../src/stages/mark.ts";
import { claimedJob } from "../../support/marbles.ts";

/** A claim that takes `ms` and brings one job, the last of a full batch unless it says otherwise. */
interface Made extends Partial<ClaimedJob> {
  readonly ms: number;
  /** What it takes from the first place, if that is something else. */
  readonly firstMs?: number;
  readonly isFull?: boolean;
}

/** Makes claims one after the other, and tells behind which place each began: `priority/id`, or `first`. */
function begunAt(made: readonly Made[]): readonly string[] {
  const begun: string[] = [];
  new TestScheduler(() => undefined).run(({ flush }) => {
    const mark = createMark();
    const claim = ({ ms, firstMs = ms, isFull = true, ...job }: Made) =>
      defer(() => {
        const { after, landed } = mark.claiming();
        begun.push(after === undefined ? "first" : `${after.priority}/${after.id}`);
        return timer(after === undefined ? firstMs : ms).pipe(
          tap(() => landed([claimedJob(job)], isFull)),
          ignoreElements(),
        );
      });
    from(made).pipe(concatMap(claim)).subscribe();
    flush();
  });
  return begun;
}

describe("the mark of a lane", () => {
  it("stands behind the last job of a full claim, for nine times what the claim from the first place took", () => {
    const claims = [2, 5, 5, 5, 5, 5].map((ms, n) => ({ ms, id: `${n + 1}`, priority: -1 }));
    expect(begunAt(claims)).toEqual(["first", "-1/1", "-1/2", "-1/3", "-1/4", "first"]);
  });

  it("is not used where claims from the first place take no longer than others", () => {
    const claims = [1, 9, 9, 9, 9].map((ms, n) => ({ ms, id: `${n + 1}` }));
    expect(begunAt(claims)).toEqual(["first", "0/1", "first", "first", "first"]);
  });

  it("leaves a tenth of the time to claims from the first place, as long as each takes longer", () => {
    const claims = Array.from({ length: 200 }, (_, n) => ({ ms: 5, firstMs: 55, id: `${n + 1}` }));
    const begun = begunAt(claims);
    const first = begun.filter((text) => text === "first").length;
    // Each has 50 ms that others do not need, so there are 450 ms between them: 90 claims.
    expect(first).toBe(3);
    expect(begun.slice(1, 100)).not.toContain("first");
  });

  it("is taken away by a claim that was not full: what it left may stand before it", () => {
    const claims = [{ ms: 9 }, { ms: 1, isFull: false }, { ms: 1 }];
    expect(begunAt(claims.map((claim, n) => ({ ...claim, id: `${n + 1}` })))).toEqual([
      "first",
      "0/1",
      "first",
    ]);
  });

  it("does not follow a job that came out of its turn because a worker died with it", () => {
    const claims = [{ ms: 9 }, { ms: 1, crashes: 1 }, { ms: 1 }];
    expect(begunAt(claims.map((claim, n) => ({ ...claim, id: `${n + 1}` })))).toEqual([
      "first",
      "0/1",
      "0/1",
    ]);
  });
});
