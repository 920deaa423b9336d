import { describe, expect, it } from "vitest";
import { JOB_STATES, TRANSITIONS } from "../../src/core/job.ts";

describe("TRANSITIONS", () => {
  it("names each change and its cause once", () => {
    const rows = TRANSITIONS.map(({ from, to, by }) => `${from} to ${to} by ${by}`);
    expect(rows).toEqual([...new Set(rows)]);
  });

  it("leaves no state without a way in and a way out", () => {
    const changes = TRANSITIONS.filter(({ from, to }) => from !== to);
    for (const state of JOB_STATES) {
      expect(changes.some(({ to }) => to === state)).toBe(true);
      expect(changes.some(({ from }) => from === state)).toBe(true);
    }
  });

  it("leads from every state to the end", () => {
    const ends = new Set<string | undefined>([undefined]);
    for (const _ of JOB_STATES) {
      for (const { from, to } of TRANSITIONS) if (ends.has(to)) ends.add(from);
    }
    expect(JOB_STATES.filter((state) => !ends.has(state))).toEqual([]);
  });

  it("leads to claimed from pending alone", () => {
    const ways = TRANSITIONS.filter(({ to }) => to === "claimed").map(({ from }) => from);
    expect(ways).toEqual(["pending"]);
  });
});
