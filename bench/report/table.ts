import type { Row, ScenarioReport, Spread } from "./report.ts";

/** A scenario as a table in Markdown: medians, with the least and the most in brackets. */
export function tableOf({ rows, headline }: ScenarioReport): string {
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

/** A failure stands where the first figure would. */
function figureText({ figures, failed }: Row, name: string, at: number): string {
  const spread = figures[name];
  if (spread !== undefined) return spreadText(spread);
  return at === 0 ? (failed ?? "") : "";
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
