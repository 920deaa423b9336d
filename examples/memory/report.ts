import type { Answer } from "./answer.ts";
import { quantile } from "./histogram.ts";
import { KINDS } from "./kinds.ts";
import { total } from "./stats.ts";
import type { Stats } from "./stats.ts";
import type { Contradiction, Summary } from "./tables/synthesis.ts";

/** How a run ended. */
export interface Result {
  readonly stats: Stats;
  /** Whether every attempt that had begun has ended by itself. */
  readonly drained: boolean;
  /** Jobs that are in the tables and have not failed: none, unless the run was cut off. */
  readonly left: number;
  readonly elapsedMs: number;
  readonly summary: Summary;
  readonly contradictions: readonly Contradiction[];
  readonly answers: readonly Answer[];
}

/** What the run is going to do, for people. */
export function introduction(turns: number): string {
  return [
    `Reads ${String(turns)} passages of State of the Union addresses. Each becomes about a dozen jobs (extract,`,
    "embed, categorize, …) in Postgres, and one worker runs them. They come faster than it computes, so they",
    "wait for their turn, and the time until they are picked up has that in it.",
    "Starting: a Postgres server, two schemas, a language model …",
    "",
  ].join("\n");
}

/** The result for people. */
export function resultText(result: Result): string {
  const { summary, contradictions, answers, drained, elapsedMs } = result;
  const { turns, corrected, facts, duplicates, stale, rejected, triples, confirmed, contradicted } = summary;
  return [
    "",
    `${drained ? "Drained" : "Stopped"} after ${(elapsedMs / 1_000).toFixed(1)} s. The memory holds`,
    `  ${String(turns)} turns, ${String(corrected)} of them corrected,`,
    `  ${String(facts)} facts, beside ${String(duplicates)} duplicates, ${String(stale)} stale and ${String(rejected)} rejected ones,`,
    `  ${String(triples)} triples, ${String(confirmed)} of them confirmed and ${String(contradicted)} contradicted by another turn.`,
    ...contradictions.map(
      ({ statement, affirmedBy, deniedBy }) => `  "${statement}": so says ${affirmedBy}, not so ${deniedBy}.`,
    ),
    ...answers.flatMap(answerLines),
    "",
    account(result),
    "",
  ].join("\n");
}

/** The result for programs. */
export function resultJson({ stats, drained, elapsedMs, answers }: Result): string {
  const jobs = KINDS.map((kind) => {
    const { succeeded, retried, failed } = stats.jobs[kind];
    return [kind, { succeeded, retried, failed }] as const;
  });
  const round = (ms: number) => Math.round(ms * 10) / 10;
  const pickupMs = {
    p50: round(quantile(stats.pickup, 0.5)),
    p99: round(quantile(stats.pickup, 0.99)),
  };
  return JSON.stringify({ jobs: Object.fromEntries(jobs), pickupMs, drained, elapsedMs, answers });
}

/** What became of the jobs, held against what the memory's own tables say that there must have been. */
function account({ stats, left, summary }: Result): string {
  const { succeeded, retried, failed } = total(stats);
  if (left > 0)
    return `millrace ran ${String(succeeded)} jobs, and ${String(left)} are left for the next worker.`;
  const lost = jobsBehind(summary) - succeeded - failed;
  return (
    `This memory takes ${String(jobsBehind(summary))} jobs. millrace ran them, tried ${String(retried)} attempts again, ` +
    `and lost ${lost === 0 ? "none" : String(lost)}: ${String(succeeded)} succeeded, ${String(failed)} failed.`
  );
}

/** Three jobs a turn and a correction, one more for the correction itself, two for each fact ever found. */
function jobsBehind({ turns, corrected, facts, duplicates, stale, rejected }: Summary): number {
  return 3 * (turns + corrected) + corrected + 2 * (facts + duplicates + stale + rejected);
}

const answerLines = ({ question, facts }: Answer): string[] => [
  "",
  question,
  ...facts.flatMap(({ text, president, year, turn, score, labels }) => [
    `  "${text}"`,
    `    ${president}, ${String(year)}, turn ${String(turn)}, similarity ${score.toFixed(2)}` +
      (labels.length === 0 ? "" : `, about ${labels.join(" and ")}`),
  ]),
  ...(facts.length === 0 ? ["  Nothing near it was remembered."] : []),
];
