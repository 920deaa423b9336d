import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { plotsOf } from "./plots.ts";
import type { Drawn } from "./plots.ts";
import type { Report, ScenarioReport } from "./report.ts";
import { tableOf } from "./table.ts";

const PAGE = fileURLToPath(new URL("../../docs/performance.md", import.meta.url));
const PLOTS = fileURLToPath(new URL("../../docs/performance/", import.meta.url));

/**
 * Writes figures and plots into the page: each block between `<!-- bench:name -->` and
 * `<!-- bench:end -->` whose scenario the report holds, and that of the machine. Others stay.
 */
export async function writeDoc(report: Report): Promise<void> {
  const plots = plotsOf(report);
  await writeFile(PAGE, pageWith(report, plots, await readFile(PAGE, "utf8")));
  await mkdir(PLOTS, { recursive: true });
  for (const [name, { svg }] of plots) await writeFile(`${PLOTS}${name}.svg`, svg);
}

/**
 * Sees to it that all figures of a report are of the scale of the page.
 *
 * @throws Error that names the first scenario of another one.
 */
export function checkFullScale({ scenarios }: Report): void {
  const other = scenarios.find(({ scale }) => scale !== 1);
  if (other !== undefined)
    throw new Error(
      `Expected \`--doc\` with a report of the scale 1, as the page states, got ${other.name} at ${other.scale}`,
    );
}

/** The page with what a report holds. A plot that it does not show yet comes before its block. */
export function pageWith(report: Report, plots: ReadonlyMap<string, Drawn>, page: string): string {
  const blocks = new Map(report.scenarios.map((scenario) => [scenario.name, scenarioText(scenario)]));
  blocks.set("machine", machineText(report));
  return page.replaceAll(
    /(<!-- bench:(\S+) -->\n)[^]*?(<!-- bench:end -->)/g,
    (whole, head: string, name: string, end: string) => {
      const text = blocks.get(name);
      if (text === undefined) return whole;
      const plot = plots.get(name);
      const file = `performance/${name}.svg`;
      const image = plot === undefined || page.includes(`](${file})`) ? "" : `![${plot.title}](${file})\n\n`;
      return `${image}${head}\n${text}\n\n${end}`;
    },
  );
}

function scenarioText(scenario: ScenarioReport): string {
  return `${scenario.about}\n\n${tableOf(scenario)}`;
}

function machineText({ machine, versions }: Report): string {
  const lines = Object.entries({ ...machine, ...versions }).map(([name, value]) => `| ${name} | ${value} |`);
  return ["| | |", "| --- | --- |", ...lines].join("\n");
}
