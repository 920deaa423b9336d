import { readFile, writeFile } from "node:fs/promises";
import type { Figures } from "./harness/figures.ts";
import type { BoardLine } from "./run-board.ts";

const PAGE = new URL("../docs/reliability.md", import.meta.url);

/**
 * Writes the lines of a run into the page, in the place of that which stands for this server.
 *
 * @param server The main version of Postgres that it ran on, as the page names it.
 * @param how The options of the run.
 */
export async function document(lines: readonly BoardLine[], server: string, how: string): Promise<void> {
  const page = await readFile(PAGE, "utf8");
  const [begin, end] = [`<!-- board:${server} -->`, `<!-- board:end:${server} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from)
    throw new Error(`Expected docs/reliability.md to have a place for Postgres ${server}`);
  const rows = lines.map(
    ({ id, title, pass, notRun, figures, control, seconds }) =>
      `| ${id} | ${title} | ${result(pass)} | ${pass === null ? (notRun ?? "") : textOf(figures)} | ${
        control === undefined ? "" : textOf(control)
      } | ${pass === null ? "" : seconds.toFixed(0)} |`,
  );
  const table = [
    `\`npm run chaos -- ${how}\``,
    "",
    "| id | what | | figures | control | s |",
    "| --- | --- | --- | --- | --- | ---: |",
    ...rows,
  ].join("\n");
  await writeFile(PAGE, `${page.slice(0, from + begin.length)}\n${table}\n${page.slice(to)}`);
}

function result(pass: boolean | null): string {
  if (pass === null) return "not run";
  return pass ? "pass" : "**fail**";
}

function textOf(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${value}`)
    .join("<br>");
}
