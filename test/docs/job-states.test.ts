import { describe, expect, it } from "vitest";
import { JOB_STATES, TRANSITIONS } from "../../src/core/job.ts";
import { readDocument, tableRows } from "./document.ts";

const text = readDocument("docs/job-states.md");

/** The arrows of the diagram, as `from --> to: by`. */
function drawn(): readonly string[] {
  const diagram = /```mermaid\nstateDiagram-v2\n([^`]*)```/.exec(text)?.[1] ?? "";
  return diagram
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

const table = TRANSITIONS.map(({ from = "[*]", to = "[*]", by }) => `${from} --> ${to}: ${by}`);

describe("docs/job-states.md", () => {
  it("draws every transition that there is", () => {
    expect(table.filter((arrow) => !drawn().includes(arrow))).toEqual([]);
  });

  it("draws no other transition, and none twice", () => {
    expect(drawn().filter((arrow) => !table.includes(arrow))).toEqual([]);
    expect(drawn()).toHaveLength(table.length);
  });

  it("explains every state and every cause", () => {
    const explained = new Set(tableRows(text).map(([first]) => first));
    const named = [...JOB_STATES, ...TRANSITIONS.map(({ by }) => by)];
    expect(named.filter((name) => !explained.has(name))).toEqual([]);
  });
});
