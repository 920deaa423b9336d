import { mergeMap } from "rxjs";
import { describe, expect, it } from "vitest";
import type { SnapshotHolder } from "../../../src/core/store-calls.ts";
import { watchOldSnapshots } from "../../../src/stages/old-snapshot.ts";
import { anEvent } from "../../../src/testing/index.ts";
import { withMarbles } from "../../support/marbles.ts";

const holder = (horizon: string, pid: number, more: Partial<SnapshotHolder> = {}): SnapshotHolder => ({
  horizon,
  pid,
  name: undefined,
  ageMs: undefined,
  ...more,
});

const RESTORED = anEvent("restored");

/** Looks that find these, one after the other, and what is told of each. */
function told(...looks: readonly (SnapshotHolder | undefined)[]): readonly string[] {
  const watch = watchOldSnapshots();
  return looks.map((look) =>
    watch(look)
      .map((event) => (event.type === "degraded" ? `degraded ${String(event.pid)}` : event.type))
      .join(),
  );
}

describe("watchOldSnapshots", () => {
  it("tells once of a snapshot that has become old, and when another one is the oldest", () => {
    withMarbles(({ cold, expectObservable }) => {
      const look$ = cold<SnapshotHolder>("-a--b--b--b--b--c-", {
        a: holder("1", 1),
        b: holder("2", 2),
        c: holder("3", 3),
      });
      const result = "                    ----------d-----r-";
      const watch = watchOldSnapshots(6);
      expectObservable(look$.pipe(mergeMap(watch))).toBe(result, {
        d: { type: "degraded", cause: "old-snapshot", pid: 2, ageMs: 6 },
        r: RESTORED,
      });
    });
  });

  it("believes the age of the transaction where it is told, from the second look on", () => {
    const old = { ageMs: 60_000 };
    expect(told(holder("1", 1, { ageMs: 59_000 }), holder("1", 1, old), undefined)).toEqual([
      "",
      "degraded 1",
      "restored",
    ]);
    expect(told(holder("1", 1, old), holder("1", 1, old))).toEqual(["", "degraded 1"]);
  });

  it("says nothing of a long transaction whose statements take a new snapshot each", () => {
    const old = { ageMs: 600_000 };
    expect(told(holder("1", 1, old), holder("2", 1, old), holder("3", 1, old))).toEqual(["", "", ""]);
  });

  it("tells of the next one that is old, and that all is well only when there is none", () => {
    const [one, two] = [holder("1", 1, { ageMs: 60_000 }), holder("2", 2, { ageMs: 60_000 })];
    expect(told(one, one, two, two, two, undefined, undefined)).toEqual([
      "",
      "degraded 1",
      "",
      "degraded 2",
      "",
      "restored",
      "",
    ]);
  });

  it("says nothing where nobody holds one", () => {
    expect(told(undefined, undefined, holder("1", 1), undefined)).toEqual(["", "", "", ""]);
  });

  it("tells what a holder without a process is called", () => {
    const slot = holder("1", 0, { pid: undefined, name: "replication slot s", ageMs: 60_000.4 });
    const watch = watchOldSnapshots();
    expect([...watch(slot), ...watch(slot)]).toEqual([
      { type: "degraded", cause: "old-snapshot", ageMs: 60_000, holder: "replication slot s" },
    ]);
  });
});
