import { chartSvg } from "./chart.ts";
import type { Axis, Line } from "./chart.ts";
import type { Report, Row } from "./report.ts";

/** A plot of the page. */
export interface Drawn {
  readonly title: string;
  readonly svg: string;
}

/** The plots of the page, by the scenario that they show; only those whose scenario was measured. */
export function plotsOf({ scenarios }: Report): ReadonlyMap<string, Drawn> {
  const plots = new Map<string, Drawn>();
  const add = (scenario: string, plot: Plot): void => {
    const rows = scenarios.find(({ name }) => name === scenario)?.rows ?? [];
    const systems = [...new Set(rows.map(({ system }) => system))];
    const lines = systems
      .map((system) => rows.filter((row) => row.system === system))
      .map((own): Line => ({ name: nameOf(own), points: plot.points(own) }))
      .filter(({ points }) => points.length > 0);
    if (lines.length > 0) plots.set(scenario, { title: plot.title, svg: chartSvg({ ...plot, lines }) });
  };
  add("backlog", {
    title: "Throughput over the size of the backlog",
    x: { label: "jobs that wait", log: true },
    y: { label: "jobs/s" },
    points: (rows) =>
      rows.flatMap(({ series, figures }) =>
        (series["waiting"] ?? []).map((waiting) => [waiting, figures["jobs/s"]?.median ?? 0]),
      ),
  });
  add("held", {
    title: "Throughput while another session holds an old snapshot",
    x: { label: "jobs since the snapshot" },
    y: { label: "jobs/s" },
    points: (rows) =>
      rows.flatMap(({ series }) =>
        (series["rounds"] ?? []).map((rate, n) => [series["jobs"]?.[n] ?? Number.NaN, rate]),
      ),
  });
  add("latency", {
    title: "From enqueue in one process to the handler in another",
    x: { label: "milliseconds", log: true },
    y: { label: "percent of jobs within" },
    points: (rows) => rows.flatMap(({ series }) => (series["percentiles"] ?? []).map((ms, n) => [ms, n])),
  });
  return plots;
}

/** A line of a system that failed says so: it lacks runs or points. */
function nameOf(rows: readonly Row[]): string {
  const failed = rows.some((row) => row.failed?.startsWith("failed") ?? false);
  return `${rows[0]?.system}${failed ? " (failed)" : ""}`;
}

interface Plot {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  /** The points of one system, from its rows. */
  readonly points: (rows: readonly Row[]) => [x: number, y: number][];
}
