import { NEVER, ReplaySubject, concat, of } from "rxjs";
import { describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../../src/core/events.ts";
import { capacityStage } from "../../../src/stages/capacity.ts";
import { withMarbles } from "../../support/marbles.ts";

const GIVEN = { 4: 4, 7: 7, 0: 0, f: false, t: true, x: -1 };
const CAPACITY = { 4: 4, 7: 7, 0: 0, f: 0, t: Infinity };

/** The type and the message of what was reported. */
function said(events: readonly WorkerEvent[]): readonly unknown[] {
  return events.map((event) => (event.type === "capacity-failed" ? event.error.message : event));
}

describe("capacityStage", () => {
  it("says the app's capacity as a number, and reports what is none", () => {
    const reports: WorkerEvent[] = [];
    withMarbles(({ hot, expectObservable }) => {
      const given$ = hot("    -4--f--x--t--#", GIVEN, new Error("dry"));
      const capacity$ = "     -4--f-----t--|";
      expectObservable(capacityStage(given$, (event) => reports.push(event))).toBe(capacity$, CAPACITY);
    });
    expect(said(reports)).toEqual([
      "Expected `capacity$` to be integers from 0 up, true or false, got -1 (number)",
      "dry",
    ]);
  });

  it.each<[unknown, string]>([
    [0.5, "0.5 (number)"],
    [NaN, "NaN (number)"],
    [Infinity, "Infinity (number)"],
    [2 ** 53, "9007199254740992 (number)"],
    ["3", '"3" (string)'],
    [null, "null"],
    [undefined, "undefined"],
    [{ slots: 3 }, "an object"],
  ])("reports %j, and goes on", (wrong, got) => {
    const reports: WorkerEvent[] = [];
    withMarbles(({ hot, expectObservable }) => {
      const given$ = hot("-4-w-7-", { ...GIVEN, w: wrong as number });
      expectObservable(capacityStage(given$, (event) => reports.push(event))).toBe("-4---7-", CAPACITY);
    });
    expect(said(reports)).toEqual([
      `Expected \`capacity$\` to be integers from 0 up, true or false, got ${got}`,
    ]);
  });

  it.each([
    ["never emits for what never does", "-", "-"],
    ["completes with what is empty, of which nothing was said", "--|", "--|"],
    ["takes 0", "0-", "0-"],
    ["says all of several that come at once", "(4f7)", "(4f7)"],
  ])("%s", (_, given, wanted) => {
    withMarbles(({ cold, expectObservable }) => {
      const capacity$ = capacityStage(cold(given, GIVEN), () => expect.unreachable());
      expectObservable(capacity$, "----!").toBe(wanted, CAPACITY);
    });
  });

  it("says nothing where the app gives none", () => {
    withMarbles(({ expectObservable }) => {
      expectObservable(capacityStage(undefined, () => expect.unreachable())).toBe("|");
    });
  });

  it("asks the app once for all lanes, and tells late ones what was said last", () => {
    const reports: WorkerEvent[] = [];
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const given$ = cold("                            -4-x-7--", GIVEN);
      const capacity$ = capacityStage(given$, (event) => reports.push(event));
      expectObservable(capacity$, "                    ^------!").toBe("-4---7--", CAPACITY);
      expectObservable(capacity$, "                    --^---!").toBe(" --4--7--", CAPACITY);
      expectSubscriptions(given$.subscriptions).toBe("^------!");
    });
    expect(reports).toHaveLength(1);
  });

  it("leaves the app's stream with the last lane, and asks again for the next worker", () => {
    withMarbles(({ cold, expectObservable, expectSubscriptions }) => {
      const given$ = cold("-4-----", GIVEN);
      const capacity$ = capacityStage(given$, () => expect.unreachable());
      expectObservable(capacity$, "^--!").toBe("-4-", CAPACITY);
      expectObservable(capacity$, "-----^--!").toBe("------4-", CAPACITY);
      expectSubscriptions(given$.subscriptions).toBe(["^--!", "-----^--!"]);
    });
  });

  it("keeps what was said before an error for lanes that come later", () => {
    const given$ = new ReplaySubject<number>();
    withMarbles(({ expectObservable }) => {
      const capacity$ = capacityStage(concat(of(4), given$), () => undefined);
      given$.error(new Error("dry"));
      expectObservable(capacity$).toBe("(4|)", CAPACITY);
      expectObservable(capacity$, "--^").toBe("--(4|)", CAPACITY);
    });
  });

  it("stands while the app says nothing more", () => {
    withMarbles(({ expectObservable }) => {
      const capacity$ = capacityStage(concat(of(true), NEVER), () => expect.unreachable());
      expectObservable(capacity$, "----!").toBe("t", CAPACITY);
    });
  });
});
