/**
 * An agent's memory: real text goes through six kinds of job, and at the end questions are answered
 * from what was understood. `npm start -- --help` explains the arguments.
 *
 * Read on in `jobs.ts` (what is enqueued), then in `handlers.ts` (what is done about it).
 */
import process from "node:process";
import type { WriteStream } from "node:tty";
import { concat, firstValueFrom, fromEvent, lastValueFrom, scan, takeUntil } from "rxjs";
import { stopOnSignals } from "../../src/index.ts";
import { answer, QUESTIONS } from "./answer.ts";
import { ArgumentError, readArguments, USAGE } from "./arguments.ts";
import { conversation } from "./conversation.ts";
import { openDatabase } from "./database.ts";
import { memoryHandlers } from "./handlers.ts";
import { untilIdle } from "./idle.ts";
import { connectJobs } from "./jobs.ts";
import { openMemory } from "./memory.ts";
import { introduction, resultJson, resultText } from "./report.ts";
import type { Result } from "./report.ts";
import { showStats } from "./screen.ts";
import { addEvent, NO_STATS } from "./stats.ts";
import { contentStems } from "./text/language.ts";
import { loadTurns } from "./text/turns.ts";
import { rarityOf } from "./text/vector.ts";

/** Jobs at once. */
const CONCURRENCY = 8;

/** The demo's own two schemas. What an earlier run left in them is dropped. */
const [MEMORY_SCHEMA, JOB_SCHEMA] = ["memory_demo", "memory_demo_jobs"];

async function run(count: number, output: WriteStream): Promise<Result> {
  const startedAt = performance.now();
  output.write(introduction(count));
  await using database = await openDatabase({ connections: CONCURRENCY + 4 });
  const { connectionString, pool } = database;
  await pool.query(`drop schema if exists ${MEMORY_SCHEMA}, ${JOB_SCHEMA} cascade`);
  const memory = openMemory(MEMORY_SCHEMA);
  await memory.create(pool);
  await using client = connectJobs(connectionString, JOB_SCHEMA);
  await client.migrate();
  const turns = loadTurns(count);
  const rarity = rarityOf(turns.map((turn) => contentStems(turn.text)));

  // The worker: Ctrl-C drains it, everything it does is shown.
  const handlers = memoryHandlers({ client, pool, memory, rarity });
  const worker = await client.spawnWorker({ handlers, concurrency: CONCURRENCY });
  stopOnSignals(worker);
  const shown = lastValueFrom(showStats(worker.event$.pipe(scan(addEvent, NO_STATS)), output));

  // Meanwhile turns are said and corrected, until all that follows is done or the worker stops.
  const said$ = conversation(turns, { client, pool, memory });
  const stopping$ = fromEvent(worker.signal, "abort");
  const done$ = concat(said$, untilIdle(pool, JOB_SCHEMA)).pipe(takeUntil(stopping$));
  await lastValueFrom(done$, { defaultValue: undefined });

  // After Ctrl-C this only waits: every call of `shutdown` has the same result.
  const { outcome } = await worker.shutdown();
  const { stats } = await shown;
  const depth = await firstValueFrom(client.depth());
  const ask = (question: string) => answer(question, { db: pool, memory, rarity });
  return {
    stats,
    drained: outcome === "drained",
    left: depth.reduce((sum, { state, count: jobs }) => (state === "failed" ? sum : sum + jobs), 0),
    elapsedMs: Math.round(performance.now() - startedAt),
    summary: await memory.synthesis.summarize(pool),
    contradictions: await memory.synthesis.contradictions(pool, 3),
    answers: await Promise.all(QUESTIONS.map(ask)),
  };
}

try {
  const { turns, json, help } = readArguments(process.argv.slice(2));
  if (help) {
    console.log(USAGE);
  } else {
    const output = json ? process.stderr : process.stdout;
    const result = await run(turns, output);
    output.write(`${resultText(result)}\n`);
    if (json) console.log(resultJson(result));
    process.exitCode = result.drained ? 0 : 1;
  }
} catch (error) {
  const misused = error instanceof ArgumentError;
  console.error(misused ? `${error.message}\n\n${USAGE}` : error);
  process.exitCode = misused ? 2 : 1;
}
