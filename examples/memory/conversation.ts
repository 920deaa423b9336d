import type { Pool } from "pg";
import { delay, filter, interval, merge, mergeMap, share, zip } from "rxjs";
import type { Observable } from "rxjs";
import { enqueueTurn, sourceOf } from "./jobs.ts";
import type { JobClient } from "./jobs.ts";
import type { Memory } from "./memory.ts";
import { correctedText } from "./text/correction.ts";
import type { Turn } from "./text/turns.ts";
import { inTransaction } from "./transaction.ts";

/** Milliseconds between two turns; less when all would take longer than `LONGEST_MS` together. */
const PACE_MS = 50;
const LONGEST_MS = 30_000;

/** One turn in so many is corrected, so many milliseconds after it was said. */
const CORRECTED_EVERY = 10;
const CORRECTED_AFTER_MS = 1_000;

/** Turns that are being written at once, at most. */
const CONCURRENCY = 4;

/** What a conversation works with. */
export interface Listener {
  readonly client: JobClient;
  readonly pool: Pool;
  readonly memory: Memory;
}

/**
 * What users do while the worker runs: they say turns, and a second later correct every tenth.
 * Emits each turn that was written or corrected; completes after the last.
 *
 * ```
 * said           -1-2-3-4-5-6|
 * corrected      -------2---4---6|
 * conversation$  -1-2-3-(42)5-(64)---(6|)
 * ```
 */
export function conversation(turns: readonly Turn[], listener: Listener): Observable<Turn> {
  const pace$ = interval(Math.min(PACE_MS, LONGEST_MS / turns.length));
  const said$ = zip(turns, pace$).pipe(
    mergeMap(([turn]) => say(turn, listener), CONCURRENCY),
    share(),
  );
  const corrected$ = said$.pipe(
    filter((turn) => turn.id % CORRECTED_EVERY === 0),
    delay(CORRECTED_AFTER_MS),
    mergeMap((turn) => correct(turn, listener), CONCURRENCY),
  );
  return merge(corrected$, said$);
}

/** A turn and its first jobs are written together: there is never one without the other. */
async function say(turn: Turn, { client, pool, memory }: Listener): Promise<Turn> {
  await inTransaction(pool, async (tx) => {
    await memory.turns.insert(tx, [turn]);
    await enqueueTurn(client, tx, { turn: turn.id, version: 1 });
  });
  return turn;
}

async function correct(turn: Turn, { client }: Listener): Promise<Turn> {
  const payload = { turn: turn.id, text: correctedText(turn) };
  await client.enqueue("reprocess", payload, { source: sourceOf(turn.id) });
  return turn;
}
