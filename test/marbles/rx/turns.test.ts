import { describe, expect, it } from "vitest";
import { createTurns } from "../../../src/rx/turns.ts";
import type { Turn, Turns } from "../../../src/rx/turns.ts";
import { pass, useFakeClock, work } from "../../support/marbles.ts";

/** An event loop with always something else to do. */
const busy = (): (() => boolean) => () => false;

/** Somebody who always wants another turn, of so many milliseconds. */
interface Eager {
  readonly turn: Turn;
  /** How much time the turns took so far. */
  readonly ms: () => number;
}

function eager(turns: Turns, ms: number): Eager {
  let count = 0;
  const turn: Turn = () => {
    count += 1;
    work(ms);
    return true;
  };
  turns.ask(turn);
  return { turn, ms: () => count * ms };
}

/** Ends them all, so that no timer is left. */
function leave(turns: Turns, all: readonly Eager[]): void {
  for (const { turn } of all) turns.leave(turn);
}

describe("createTurns", () => {
  useFakeClock();

  it.each([
    { many: 1, ms: 1 },
    { many: 1, ms: 50 },
    { many: 100, ms: 1 },
    { many: 100, ms: 50 },
    { many: 3, ms: 400 },
  ])("gives $many that take $ms ms a seventh of the thread, all together", async ({ many, ms }) => {
    const turns = createTurns(busy);
    const all = Array.from({ length: many }, () => eager(turns, ms));
    const from = Date.now();
    await pass(20_000);
    const taken = all.reduce((sum, one) => sum + one.ms(), 0);
    const share = taken / (Date.now() - from);
    expect(share).toBeGreaterThan(0.13);
    expect(share).toBeLessThan(0.16);
    leave(turns, all);
  });

  it("gives each of those that want more than their share the same time", async () => {
    const turns = createTurns(busy);
    const all = [50, 1, 1, 30, 7].map((ms) => eager(turns, ms));
    await pass(40_000);
    const times = all.map(({ ms }) => ms());
    expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(60);
    leave(turns, all);
  });

  it("gives those that want less all that they want, soon", async () => {
    const turns = createTurns(busy);
    const slow = Array.from({ length: 10 }, () => eager(turns, 50));
    // All of the slow ones are known for it.
    await pass(7_000);
    let longestMs = 0;
    for (let round = 0; round < 20; round += 1) {
      const askedAt = Date.now();
      turns.ask(() => {
        longestMs = Math.max(longestMs, Date.now() - askedAt);
        return false;
      });
      await pass(1_000);
    }
    expect(longestMs).toBeLessThanOrEqual(350);
    leave(turns, slow);
  });

  it("owes nothing to who comes late, nor to who comes back", async () => {
    const turns = createTurns(busy);
    const early = eager(turns, 50);
    await pass(20_000);
    const before = early.ms();
    const late = eager(turns, 50);
    await pass(20_000);
    expect(early.ms() - before).toBeGreaterThanOrEqual(late.ms() - 50);
    leave(turns, [early, late]);
  });

  it("gives turns in the same moment where there is time for all of them", async () => {
    const turns = createTurns(busy);
    const order: string[] = [];
    for (const name of ["a", "b", "c"]) turns.ask(() => order.push(name) === 0);
    expect(order).toEqual([]);
    await pass(0);
    expect(order).toEqual(["a", "b", "c"]);
  });

  it("rests from a long turn, whoever asks next", async () => {
    const turns = createTurns(busy);
    const block: Turn = () => {
      work(100);
      return false;
    };
    turns.ask(block);
    await pass(0);
    let asked = 0;
    turns.ask(() => (asked += 1) === 0);
    await pass(599);
    expect(asked).toBe(0);
    await pass(1);
    expect(asked).toBe(1);
  });

  it("goes on where nobody else wants the thread, but not after a long turn", async () => {
    let looks = 0;
    const turns = createTurns(() => () => (looks += 1) > 0);
    const quick = eager(turns, 2);
    const from = Date.now();
    await pass(100);
    // In this clock a timer takes a millisecond.
    expect(quick.ms() / (Date.now() - from)).toBeGreaterThan(0.6);
    expect(looks).toBeGreaterThan(50);
    leave(turns, [quick]);
    looks = 0;
    const long = eager(turns, 50);
    await pass(1_400);
    expect(looks).toBe(1);
    expect(long.ms()).toBe(250);
    leave(turns, [long]);
  });

  it("rests for 5 s at most, as when the process was stopped meanwhile", async () => {
    const turns = createTurns(busy);
    const all = [eager(turns, 3_600_000)];
    await pass(0);
    expect(all[0]?.ms()).toBe(3_600_000);
    await pass(5_000);
    expect(all[0]?.ms()).toBe(2 * 3_600_000);
    leave(turns, all);
  });

  it("forgets who leaves, also from inside a turn", async () => {
    const turns = createTurns(busy);
    let count = 0;
    const other: Turn = () => (count += 1) === 0;
    turns.ask(() => {
      turns.leave(other);
      return false;
    });
    turns.ask(other);
    await pass(100);
    expect(count).toBe(0);
    turns.ask(other);
    await pass(100);
    expect(count).toBe(1);
  });
});
