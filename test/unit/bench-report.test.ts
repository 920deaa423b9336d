import { describe, expect, it } from "vitest";
import { checkFullScale, pageWith } from "../../bench/report/doc.ts";
import { plotsOf } from "../../bench/report/plots.ts";
import { summedUp } from "../../bench/report/report.ts";
import type { Measurements, ScenarioReport } from "../../bench/report/report.ts";
import { tableOf } from "../../bench/report/table.ts";
import { backlogScenario } from "../../bench/scenarios/backlog.ts";

const ours = "millrace";
const theirs = "graphile-worker";

/** What the scenario shows that varies the backlog, of three runs a system and case. */
function reported(...measurements: readonly Measurements[]): ScenarioReport {
  return summedUp(backlogScenario, { scale: 1, runs: 3 }, measurements);
}

/** Runs of a system with these rates. */
function rates(
  label: string,
  system: Measurements["system"],
  rates: readonly number[],
  failed?: string,
): Measurements {
  const runs = rates.map((rate) => ({ figures: { "jobs/s": rate }, series: { waiting: [rate] } }));
  return { case: label, system, runs, failed };
}

describe("tableOf", () => {
  it("says how many runs there were", () => {
    const text = tableOf(reported(rates("20k", ours, [10, 30, 20])));
    expect(text).toMatch(/\| 20k +\| millrace +\| +20 \(10–30\) \|/);
    expect(text).toMatch(/\n\n3 runs\.$/);
  });

  it("marks the figures of a system that failed after some runs, and says how many count", () => {
    const text = tableOf(
      reported(rates("20k", ours, [10, 10, 10]), rates("20k", theirs, [5], "failed: none | left")),
    );
    expect(text).toMatch(/\| graphile-worker \| +failed, 5 \|/);
    expect(text).toMatch(
      /\n\n3 runs, but not of all:\n\n- 20k, graphile-worker: failed: none \| left \(1 run of 3 counted\)$/,
    );
  });

  it("marks a system of which there is nothing", () => {
    const text = tableOf(reported(rates("20k", ours, []), rates("20k", theirs, [], "skipped: no server")));
    expect(text).toMatch(/\| graphile-worker \| +skipped \|/);
    expect(text).toContain("- 20k, graphile-worker: skipped: no server (no run of 3 counted)");
  });
});

describe("summedUp", () => {
  it("compares each system with itself in the first case, also where one failed in one of them", () => {
    const { rows } = reported(
      rates("20k", ours, [100]),
      rates("20k", theirs, [], "failed: early"),
      rates("1M", ours, [90]),
      rates("1M", theirs, [80]),
      rates("5M", ours, [80], "failed: late"),
      rates("5M", theirs, [], "failed: late"),
    );
    expect(rows.map(({ ofFirstCase }) => ofFirstCase)).toEqual([
      100,
      undefined,
      90,
      undefined,
      80,
      undefined,
    ]);
    expect(rows.map(({ ratio }) => ratio)).toEqual([
      undefined,
      undefined,
      undefined,
      1.125,
      undefined,
      undefined,
    ]);
  });
});

describe("plotsOf", () => {
  it("says which line is that of a system that failed", () => {
    const report = reported(rates("20k", ours, [100]), rates("20k", theirs, [80], "failed: late"));
    const { svg } = plotsOf({ machine: {}, versions: {}, scenarios: [report] }).get("backlog") ?? {};
    expect(svg).toContain(">millrace<");
    expect(svg).toContain(">graphile-worker (failed)<");
  });
});

describe("checkFullScale", () => {
  it("refuses figures of another scale than that of the page", () => {
    const full = reported(rates("20k", ours, [100]));
    const report = { machine: {}, versions: {}, scenarios: [full] };
    expect(() => checkFullScale(report)).not.toThrow();
    const small = { ...full, name: "drain", scale: 0.1 };
    expect(() => checkFullScale({ ...report, scenarios: [full, small] })).toThrow(
      "Expected `--doc` with a report of the scale 1, as the page states, got drain at 0.1",
    );
  });
});

describe("pageWith", () => {
  it("shows a plot once, before its block, and leaves what was not measured", () => {
    const report = {
      machine: {},
      versions: {},
      scenarios: [reported(rates("20k", ours, [100], "failed: late"))],
    };
    const page = "<!-- bench:backlog -->\n<!-- bench:end -->\n\n<!-- bench:held -->\n<!-- bench:end -->\n";
    const once = pageWith(report, plotsOf(report), page);
    const image = "![Throughput over the size of the backlog](performance/backlog.svg)";
    expect(once.startsWith(`${image}\n\n<!-- bench:backlog -->\n`)).toBe(true);
    expect(once).toContain("- 20k, millrace: failed: late (1 run of 3 counted)");
    expect(once.endsWith("\n\n<!-- bench:held -->\n<!-- bench:end -->\n")).toBe(true);
    expect(pageWith(report, plotsOf(report), once)).toBe(once);
  });
});
