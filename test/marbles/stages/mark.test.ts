import { TestScheduler } from "rxjs/testing";
import { concatMap, defer, from, ignoreElements, mergeMap, tap, timer } from "rxjs";
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
  /** Whether it asks for more than the free slots. Default: yes. */
  readonly isAhead?: boolean;
}

/** Makes claims one after the other, and tells behind which place each began: `priority/id`, or `first`. */
function begunAt(made: readonly Made[]): readonly string[] {
  const begun: string[] = [];
  new TestScheduler(() => undefined).run(({ flush }) => {
    const mark = createMark();
    const claim = ({ ms, firstMs = ms, isFull = true, isAhead = true, ...job }: Made) =>
      defer(() => {
        const { after, landed } = mark.claiming(isAhead);
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

const numbered = (claims: readonly Made[]): readonly Made[] =>
  claims.map((claim, n) => ({ id: `${n + 1}`, ...claim }));

describe("the mark of a lane", () => {
  it("is used for nine times what two claims from the first place took longer", () => {
    const claims = numbered([2, 3, 2, 5, 5, 5, 5].map((ms) => ({ ms, priority: -1 })));
    expect(begunAt(claims)).toEqual(["first", "first", "-1/1", "-1/1", "-1/1", "-1/1", "-1/1"]);
    expect(begunAt(numbered([...claims, ...claims])).lastIndexOf("first")).toBeGreaterThan(6);
  });

  it("is not used where claims from the first place take no longer than others", () => {
    const claims = numbered([1, 1, 9, 9, 9, 9].map((ms) => ({ ms })));
    expect(begunAt(claims)).toEqual(["first", "first", "0/1", "first", "first", "first"]);
  });

  it("is not used for one claim that was late", () => {
    const claims = numbered([1, 1, 9, 1, 500, 1, 1].map((ms) => ({ ms })));
    expect(begunAt(claims)).toEqual(["first", "first", "0/1", "first", "first", "first", "first"]);
  });

  it("leaves a tenth of the time to claims from the first place, as long as each takes longer", () => {
    const claims = numbered(Array.from({ length: 300 }, () => ({ ms: 5, firstMs: 55 })));
    const begun = begunAt(claims);
    // Each has 50 ms that others do not need, so there are 450 ms between them: 90 claims.
    expect(begun.filter((text) => text === "first")).toHaveLength(5);
    expect(begun.slice(2, 92)).not.toContain("first");
  });

  it("is left after five seconds at most, however slow claims from the first place are", () => {
    const claims = numbered(Array.from({ length: 300 }, () => ({ ms: 100, firstMs: 9_000 })));
    const begun = begunAt(claims);
    expect(begun.indexOf("first", 2)).toBe(52);
  });

  it("is used again five seconds after a claim behind it that was late", () => {
    const late = [{ ms: 100 }, { ms: 100 }, { ms: 5 }, { ms: 950 }];
    const claims = numbered([...late, ...Array.from({ length: 60 }, () => ({ ms: 5, firstMs: 100 }))]);
    const begun = begunAt(claims);
    // By then 51 claims have begun at the first place, in 5,100 ms.
    expect(begun.slice(4).findIndex((begin) => begin !== "first")).toBe(51);
  });

  it("is used after a claim from the first place that failed, for that may have taken too long", () => {
    const begun: unknown[] = [];
    new TestScheduler(() => undefined).run(({ flush }) => {
      const mark = createMark();
      mark.claiming(true).landed([claimedJob({ id: "7" })], true);
      const claim = (): unknown => begun.push(mark.claiming(true).after);
      from([0, 27_000, 31_999, 32_000, 59_000])
        .pipe(mergeMap((at) => timer(at)))
        .subscribe(claim);
      flush();
    });
    const behind = { priority: 0, id: "7" };
    expect(begun).toEqual([undefined, behind, behind, undefined, behind]);
  });

  it("is not used by a claim for free slots only", () => {
    const claims = numbered([{ ms: 9 }, { ms: 9 }, { ms: 1, isAhead: false }, { ms: 1 }]);
    expect(begunAt(claims)).toEqual(["first", "first", "first", "0/1"]);
  });

  it("does not follow a job that came out of its turn because a worker died with it", () => {
    const claims = numbered([{ ms: 9, crashes: 1 }, { ms: 9 }, { ms: 1 }]);
    expect(begunAt(claims)).toEqual(["first", "first", "0/2"]);
  });
});
