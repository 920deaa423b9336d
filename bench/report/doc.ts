import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { plotsOf } from "./plots.ts";
import type { Report, ScenarioReport } from "./report.ts";
import { tableOf } from "./table.ts";

const PAGE = fileURLToPath(new URL("../../docs/performance.md", import.meta.url));
const PLOTS = fileURLToPath(new URL("../../docs/performance/", import.meta.url));

/**
 * Writes figures and plots into the page: each block between `<!-- bench:name -->` and
 * `<!-- bench:end -->` whose scenario the report holds, and that of the machine. Others stay.
 */
export async function writeDoc(report: Report): Promise<void> {
  const blocks = new Map(report.scenarios.map((scenario) => [scenario.name, scenarioText(scenario)]));
  blocks.set("machine", machineText(report));
  const page = await readFile(PAGE, "utf8");
  const written = page.replaceAll(
    /(<!-- bench:(\S+) -->\n)[^]*?(<!-- bench:end -->)/g,
    (whole, head: string, name: string, end: string) => {
      const text = blocks.get(name);
      return text === undefined ? whole : `${head}\n${text}\n\n${end}`;
    },
  );
  await writeFile(PAGE, written);
  await mkdir(PLOTS, { recursive: true });
  for (const [file, svg] of plotsOf(report)) await writeFile(`${PLOTS}${file}`, svg);
}

function scenarioText(scenario: ScenarioReport): string {
  return `${scenario.about}\n\n${tableOf(scenario)}`;
}

function machineText({ machine, versions }: Report): string {
  const lines = Object.entries({ ...machine, ...versions }).map(([name, value]) => `| ${name} | ${value} |`);
  return ["| | |", "| --- | --- |", ...lines].join("\n");
}
