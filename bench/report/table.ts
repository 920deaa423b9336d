import type { Row, ScenarioReport, Spread } from "./report.ts";

/**
 * A scenario as a table in Markdown: medians, with the least and the most in brackets. Beneath it stands
 * how often each system was measured, and what went wrong.
 */
export function tableOf(report: ScenarioReport): string {
  const { rows, runs, scale } = report;
  const counts = `${runs === 1 ? "One run" : `${runs} runs`}${scale === 1 ? "" : ` at scale ${scale}`}`;
  const broken = rows.filter(({ failed }) => failed !== undefined);
  if (broken.length === 0) return `${cellsOf(report)}\n\n${counts}.`;
  const lines = broken.map(
    (row) =>
      `- ${[row.case, row.system].filter(Boolean).join(", ")}: ${row.failed} (${countedText(row, runs)})`,
  );
  return `${cellsOf(report)}\n\n${counts}, but not of all:\n\n${lines.join("\n")}`;
}

function cellsOf({ rows, headline }: ScenarioReport): string {
  const names = [...new Set([headline.figure, ...rows.flatMap((row) => Object.keys(row.figures))])];
  const hasCases = rows.some((row) => row.case !== "");
  const hasRatios = rows.some((row) => row.ratio !== undefined);
  const cells = [
    [
      ...(hasCases ? ["case"] : []),
      "system",
      ...names,
      ...(headline.acrossCases === true ? [`% of ${rows[0]?.case ?? ""}`] : []),
      ...(hasRatios ? [headline.better === "more" ? "millrace ÷ it" : "it ÷ millrace"] : []),
    ],
    ...rows.map((row) => [
      ...(hasCases ? [row.case] : []),
      row.system,
      ...names.map((name, at) => figureText(row, name, at)),
      ...(headline.acrossCases === true ? [numberOrNothing(row.ofFirstCase)] : []),
      ...(hasRatios ? [numberOrNothing(row.ratio)] : []),
    ]),
  ];
  return aligned(cells, hasCases ? 2 : 1);
}

/** A number as people read it: three digits, or all of those before the point. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function numberOrNothing(value: number | undefined): string {
  return value === undefined ? "" : numberText(value);
}

/** Whether a system failed stands where the first figure does, so that no figure is taken for a whole one. */
function figureText({ figures, failed }: Row, name: string, at: number): string {
  const spread = figures[name];
  const text = spread === undefined ? "" : spreadText(spread);
  const mark = at === 0 ? (failed?.split(":")[0] ?? "") : "";
  return [mark, text].filter(Boolean).join(", ");
}

function countedText({ figures }: Row, runs: number): string {
  const counted = Math.max(0, ...Object.values(figures).map((spread) => spread.runs.length));
  return `${counted === 0 ? "no run" : counted === 1 ? "1 run" : `${counted} runs`} of ${runs} counted`;
}

function spreadText({ median, min, max, runs }: Spread): string {
  const middle = numberText(median);
  return runs.length < 2 ? middle : `${middle} (${numberText(min)}–${numberText(max)})`;
}

/** Lines of a table in Markdown, the first columns as text, the others as numbers. */
function aligned(cells: readonly (readonly string[])[], texts: number): string {
  const widths = (cells[0] ?? []).map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0), 3));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => (at < texts ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(" | ")} |`;
  const rule = `| ${widths.map((width, at) => (at < texts ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  const [head = [], ...rows] = cells;
  return [line(head), rule, ...rows.map(line)].join("\n");
}
