/**
 * Measures millrace beside its peers.
 *
 * `npm run bench` all of it, which takes hours; `npm run bench -- --scenario drain --peers
 * graphile-worker --runs 3` a part; `--scale 0.1` with a tenth of the jobs. It prints tables, or with
 * `--json` one JSON document. `--save file` keeps that document as well, `--from file` shows what is in it
 * instead of measuring, and `--doc` writes its figures and plots into `docs/performance.md`. `--cpu-prof dir`
 * keeps a profile of every child.
 */
import { writeFile } from "node:fs/promises";
import { installPeers, nodeOfChildren } from "./lab/install.ts";
import { openLab } from "./lab/lab.ts";
import { redisVersion } from "./lab/redis.ts";
import { readOptions } from "./options.ts";
import type { Options } from "./options.ts";
import { checkFullScale, writeDoc } from "./report/doc.ts";
import { machine, versions } from "./report/machine.ts";
import { checkWritable, readReport } from "./report/saved.ts";
import type { Report, ScenarioReport } from "./report/report.ts";
import { tableOf } from "./report/table.ts";
import { runScenario } from "./run.ts";

const HELP = `Measures millrace beside its peers: all of it takes hours.

npm run bench -- [options]

  --scenario drain   these, more with commas or again; default: all
  --peers NAME       beside these; "none" is none; default: all
  --runs 3           measure so often; default 5
  --scale 0.1        so many times the jobs, at most 10; default 1
  --json             print one JSON document
  --save FILE        keep that document as well
  --from FILE        read it instead of measuring
  --doc              write its figures and plots into docs/performance.md; at scale 1 only
  --cpu-prof DIR     keep a profile of every child
  --help             tell this, then end

An error for a wrong name tells those that there are.
`;

// Servers and children end with this process, if it ends by itself.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

if (process.argv.includes("--help")) {
  process.stdout.write(HELP);
  process.exit(0);
}
const options = told(() => readOptions(process.argv.slice(2)));
const { from, save } = options;
if (save !== undefined) told(() => checkWritable(save));
const report = from === undefined ? await measured(options) : told(() => readReport(from));
if (options.doc) told(() => checkFullScale(report));
if (from !== undefined && !options.json) for (const done of report.scenarios) print(done);
if (options.doc) await writeDoc(report);
if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
if (report.scenarios.some(({ rows }) => rows.some(({ failed }) => failed?.startsWith("failed"))))
  process.exitCode = 1;

/** Measures scenario by scenario, and tells and keeps what is there after each. */
async function measured({ plan, json, save, profileDir }: Options): Promise<Report> {
  installPeers();
  const node = nodeOfChildren();
  await using lab = await openLab({ node, profileDir });
  const given = lab.isGiven
    ? { server: "that of `DATABASE_URL`: the settings of the server that the method names do not apply" }
    : {};
  const about = {
    machine: { ...machine(), ...given },
    versions: versions(node, lab.postgresVersion, redisVersion()),
  };
  let report: Report = { ...about, scenarios: [] };
  for (const scenario of plan.scenarios) {
    const done = await runScenario(lab, scenario, plan);
    report = { ...about, scenarios: [...report.scenarios, done] };
    if (!json) print(done);
    if (save !== undefined) await writeFile(save, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  return report;
}

function print(done: ScenarioReport): void {
  process.stdout.write(`\n${done.name}: ${done.about}\n\n${tableOf(done)}\n\n`);
}

/** What the command line asks for, or the end with what is wrong with it in a line. */
function told<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}
