import { TestScheduler } from "rxjs/testing";
import { concat, defer, ignoreElements, tap, timer } from "rxjs";
import type { Observable } from "rxjs";
import { describe, expect, it } from "vitest";
import { CLAIM_LIMIT } from "../../../src/core/store-calls.ts";
import { createSlots } from "../../../src/stages/slots.ts";
import type { Slots } from "../../../src/stages/slots.ts";

type Step = (slots: Slots) => Observable<never>;

/** Claims what there is demand for, in so many milliseconds. */
const claimIn = (slots: Slots, ms: number): Observable<never> =>
  defer(() => {
    const count = slots.demand();
    const landed = slots.claiming();
    return timer(ms).pipe(
      tap(() => landed(count)),
      ignoreElements(),
    );
  });

/** Begins a job for each slot, and ends them all after so many milliseconds, if at all. */
const runFor = (slots: Slots, ms: number | undefined, count = 2): Observable<never> =>
  defer(() => {
    const ends = Array.from({ length: count }, () => slots.begin());
    return ms === undefined
      ? []
      : timer(ms).pipe(
          tap(() => {
            for (const end of ends) end();
          }),
          ignoreElements(),
        );
  });

/** What there is demand for after these steps, in virtual time, of two slots that may hold ten jobs. */
const demandAfter = (...steps: readonly Step[]): number => demandOf(2, 10, steps);

function demandOf(concurrency: number, prefetchLimit: number, steps: readonly Step[]): number {
  let demand = Number.NaN;
  new TestScheduler(() => undefined).run(({ flush }) => {
    const slots = createSlots(concurrency, prefetchLimit);
    concat(...steps.map((step) => step(slots))).subscribe({ complete: () => (demand = slots.demand()) });
    flush();
  });
  return demand;
}

const quick = [
  (slots: Slots) => claimIn(slots, 5),
  (slots: Slots) => runFor(slots, 0),
  (slots: Slots) => claimIn(slots, 5),
];
const stuck = (slots: Slots): Observable<never> => runFor(slots, undefined);
const claimed = (slots: Slots): Observable<never> => claimIn(slots, 5);

describe("the slots of a lane", () => {
  it("ask for as many jobs as are free, before any has ended and where jobs are slow", () => {
    expect(demandAfter()).toBe(2);
    expect(demandAfter(claimed, (slots) => runFor(slots, 1_000))).toBe(2);
    expect(demandAfter(claimed, stuck)).toBe(0);
  });

  it("ask for half of the cap besides, where jobs are quick", () => {
    expect(demandAfter(claimed, (slots) => runFor(slots, 0))).toBe(7);
  });

  it("ask for no more than one claim brings, however many are free", () => {
    const steps: readonly Step[] = [claimed, (slots) => runFor(slots, 0, CLAIM_LIMIT)];
    expect(demandOf(CLAIM_LIMIT, 4_000, steps)).toBe(CLAIM_LIMIT);
  });

  it("ask for the other half when half is held, and for no more than the cap in all", () => {
    expect(demandAfter(...quick, stuck)).toBe(5);
    expect(demandAfter(...quick, stuck, claimed)).toBe(0);
  });

  it("ask for nothing while more than half is held", () => {
    expect(demandAfter(...quick, stuck, claimed, (slots) => defer(() => (slots.giveBack(4), [])))).toBe(0);
    expect(demandAfter(...quick, stuck, claimed, (slots) => defer(() => (slots.giveBack(6), [])))).toBe(5);
  });
});
