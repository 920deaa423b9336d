import { describe, expect, it } from "vitest";
import { cutIntoTurns, loadTurns } from "../../examples/memory/text/turns.ts";

describe("loadTurns", () => {
  it("begins with one turn of each landmark address", () => {
    const turns = loadTurns(14);
    expect(turns.map((turn) => turn.year)).toEqual([
      1817, 1823, 1862, 1905, 1935, 1941, 1962, 1965, 1974, 1986, 1998, 2002, 2011, 1817,
    ]);
    expect(turns.map((turn) => turn.position)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect(turns[2]).toMatchObject({ id: 3, president: "Abraham Lincoln" });
    expect(turns[2]?.text).toMatch(/^Fellow-Citizens of the Senate .*\.$/s);
  });

  it("gives a turn the same id however many are loaded", () => {
    expect(loadTurns(40).slice(0, 20)).toEqual(loadTurns(20));
  });

  it("loads none for 0", () => {
    expect(loadTurns(0)).toEqual([]);
  });
});

describe("cutIntoTurns", () => {
  const sentence = "The Congress has the power to lay and collect taxes on all of the states.";

  it("cuts after whole sentences only", () => {
    const turns = cutIntoTurns(Array.from({ length: 20 }, () => sentence).join(" "));
    expect(turns.length).toBeGreaterThan(1);
    for (const turn of turns) expect(turn).toMatch(/^The Congress .* states\.$/);
    expect(turns.join(" ").split(sentence)).toHaveLength(21);
  });

  it("keeps what is left at the end", () => {
    expect(cutIntoTurns(sentence)).toEqual([sentence]);
  });

  it("gives nothing for an empty text", () => {
    expect(cutIntoTurns("")).toEqual([]);
  });
});
