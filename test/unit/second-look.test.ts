import { describe, expect, it } from "vitest";
import { atLeast, atMost, brokenRules, is } from "../../chaos/harness/figures.ts";
import { secondLook } from "../../chaos/run-board.ts";
import type { BoardLine } from "../../chaos/run-board.ts";

const RULES = { lost: is(0), slowestStopMs: atMost(5), heapGrowth: atMost(5), kills: atLeast(5) };

/** What a test that has these figures says. */
function lineOf(figures: Readonly<Record<string, number>>): BoardLine {
  const broken = brokenRules({ figures, rules: RULES });
  return {
    id: "T00",
    title: "a test",
    seed: 1,
    pass: broken.length === 0,
    figures,
    broken: broken.map(({ text }) => text),
    ofMachine: broken.length > 0 && broken.every(({ ofMachine }) => ofMachine),
    seconds: 1,
  };
}

/** The results of the looks at a test, which has these figures one time after the other. */
async function looks(...runs: readonly Readonly<Record<string, number>>[]): Promise<unknown> {
  const left = [...runs];
  const seen: unknown[] = [];
  for await (const { pass, forgiven } of secondLook(async () => lineOf(left.shift() ?? {})))
    seen.push({ pass, forgiven: forgiven === true });
  return seen;
}

const GOOD = { lost: 0, slowestStopMs: 1, heapGrowth: 1, kills: 9 };
const SLOW = { ...GOOD, slowestStopMs: 9 };
const LOST = { ...GOOD, lost: 1 };

describe("secondLook", () => {
  it("leaves a test alone that passes", async () => {
    expect(await looks(GOOD)).toEqual([{ pass: true, forgiven: false }]);
  });

  it("lets the second run count where the first was only too slow or too large, or met too little", async () => {
    expect(await looks({ ...SLOW, heapGrowth: 9, kills: 1 }, GOOD)).toEqual([
      { pass: false, forgiven: true },
      { pass: true, forgiven: false },
    ]);
    expect(await looks(SLOW, LOST)).toEqual([
      { pass: false, forgiven: true },
      { pass: false, forgiven: false },
    ]);
  });

  it("never forgives what is counted, nor a figure that is missing", async () => {
    const failed = [{ pass: false, forgiven: false }];
    expect(await looks(LOST, GOOD)).toEqual(failed);
    expect(await looks({ ...LOST, slowestStopMs: 9 }, GOOD)).toEqual(failed);
    expect(await looks({ lost: 0, heapGrowth: 1, kills: 9 }, GOOD)).toEqual(failed);
  });
});
