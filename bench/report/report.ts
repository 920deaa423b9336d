import type { Headline, Measured, Scenario } from "../scenarios/scenario.ts";
import type { SystemName } from "../systems/names.ts";
import { median, rounded } from "../measure/numbers.ts";

/** What a run of the bench has found: the document that `--json` prints. */
export interface Report {
  readonly machine: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string>>;
  readonly scenarios: readonly ScenarioReport[];
}

/** What one scenario has shown. */
export interface ScenarioReport {
  readonly name: string;
  readonly about: string;
  readonly headline: Headline;
  /** 1 is that of the documentation. */
  readonly scale: number;
  /** How often each system was to be measured; one that failed is not measured again. */
  readonly runs: number;
  readonly rows: readonly Row[];
}

/** What one system has shown in one case. */
export interface Row {
  readonly case: string;
  readonly system: SystemName;
  readonly figures: Readonly<Record<string, Spread>>;
  /** The median of the runs, point by point. */
  readonly series: Readonly<Record<string, readonly number[]>>;
  /** How many times better the headline figure of millrace is, in the medians of this case. */
  readonly ratio?: number;
  /** Its headline figure in percent of that of the same system in the first case, in the medians. */
  readonly ofFirstCase?: number;
  /** Why there is nothing, or not all: `failed: …` or `skipped: …`. */
  readonly failed?: string;
}

/** A figure over all runs. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: readonly number[];
}

/** What was measured of one system in one case. */
export interface Measurements {
  readonly case: string;
  readonly system: SystemName;
  readonly runs: readonly Measured[];
  readonly failed: string | undefined;
}

/** Sums up what was measured in a scenario. */
export function summedUp(
  { name, about, headline }: Scenario,
  { scale, runs }: { readonly scale: number; readonly runs: number },
  measurements: readonly Measurements[],
): ScenarioReport {
  const rows = measurements.map((one): Row => {
    const figures = byName(one.runs.map((run) => run.figures));
    const series = byName(one.runs.map((run) => run.series ?? {}));
    return {
      case: one.case,
      system: one.system,
      figures: mapValues(figures, spreadOf),
      series: mapValues(series, pointByPoint),
      ...(one.failed === undefined ? {} : { failed: one.failed }),
    };
  });
  return {
    name,
    about,
    headline,
    scale,
    runs,
    rows: rows.map((row) => ({
      ...row,
      ...ratioOf(row, rows, headline),
      ...ofFirstCase(row, rows, headline),
    })),
  };
}

function ratioOf(row: Row, rows: readonly Row[], { figure, better }: Headline): { ratio?: number } {
  const own = rows.find((other) => other.case === row.case && other.system === "millrace");
  const ours = own?.figures[figure]?.median;
  const theirs = row.figures[figure]?.median;
  if (row === own || ours === undefined || theirs === undefined) return {};
  return { ratio: rounded(better === "more" ? ours / theirs : theirs / ours) };
}

function ofFirstCase(
  row: Row,
  rows: readonly Row[],
  { figure, acrossCases = false }: Headline,
): { ofFirstCase?: number } {
  const first = rows.find(({ system }) => system === row.system)?.figures[figure]?.median;
  const own = row.figures[figure]?.median;
  if (!acrossCases || first === undefined || own === undefined) return {};
  return { ofFirstCase: rounded((100 * own) / first) };
}

function spreadOf(runs: readonly number[], figure: string): Spread {
  const [middle, min, max] = [median(runs, figure), Math.min(...runs), Math.max(...runs)].map(rounded);
  return { median: Number(middle), min: Number(min), max: Number(max), runs: runs.map(rounded) };
}

function pointByPoint(runs: readonly (readonly number[])[], series: string): number[] {
  const length = Math.min(...runs.map((run) => run.length));
  return Array.from({ length }, (_, at) =>
    rounded(
      median(
        runs.map((run) => run[at] ?? Number.NaN),
        series,
      ),
    ),
  );
}

/** The values of each name over several records. */
function byName<T>(records: readonly Readonly<Record<string, T>>[]): Record<string, T[]> {
  const found: Record<string, T[]> = {};
  for (const record of records)
    for (const [name, value] of Object.entries(record)) (found[name] ??= []).push(value);
  return found;
}

function mapValues<T, U>(
  record: Readonly<Record<string, T>>,
  map: (value: T, name: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}
