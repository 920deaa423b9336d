import type pg from "pg";
import { NEVER, concatMap, of, take, timer } from "rxjs";
import { PermanentError, Snooze } from "../../src/index.ts";
import type { AttemptContext, HandlerResult, Job, JobOptions } from "../../src/index.ts";
import { completeIn } from "../harness/complete-in.ts";
import type { SecretsOrder } from "../harness/secrets.ts";

/** What a job does, and what it is enqueued with. */
export interface SecretDeed {
  readonly run: (job: Job, context: AttemptContext) => HandlerResult;
  readonly options?: JobOptions;
  /** Its outcome can never be written: it has a queue, and a worker, of its own. */
  readonly isStuck?: true;
  /** It does not end by itself. */
  readonly isEndless?: true;
}

const KEPT: JobOptions = { keepResultMs: 600_000 };
const ONCE: JobOptions = { maxAttempts: 1 };

/** What an app's constraint refuses. */
export const REFUSED = "refused";

function fail(more: object = {}): never {
  throw Object.assign(new Error("The handler fails"), more);
}

/** The deeds, by name. None of their errors tells what it should not, unless the app is careless. */
export function secretDeeds(
  { markers, careless }: SecretsOrder,
  pool: pg.Pool,
): Readonly<Record<string, SecretDeed>> {
  const { result, progress, largeProgress, number } = markers;
  const large = { text: largeProgress, padding: "x".repeat(2_000) };
  const values = [{ progress }, large, "the last one, which is the result"];
  return {
    succeeds: { run: () => Promise.resolve(result) },
    "keeps its result": { run: () => Promise.resolve({ result }), options: KEPT },
    "reports progress": {
      run: () =>
        timer(0, 60).pipe(
          take(values.length),
          concatMap((n) => of(values[n])),
        ),
      options: KEPT,
    },
    "fails once": {
      run: (job) => (job.attempt === 1 ? fail() : undefined),
      options: { backoff: { initialMs: 1 } },
    },
    fails: { run: () => fail(), options: ONCE },
    "fails for good": { run: () => Promise.reject(new PermanentError("The handler fails for good")) },
    "fails with a cause": {
      run: (job) => Promise.reject(new Error("The handler fails", { cause: job })),
      options: ONCE,
    },
    "fails with members": { run: (job) => fail({ job, result }), options: ONCE },
    snoozes: { run: (job) => (job.token === 1 ? Promise.reject(new Snooze(1)) : undefined) },
    "takes too long": { run: () => NEVER, options: { timeoutMs: 50, maxAttempts: 1 } },
    "keeps no JSON": { run: () => Promise.resolve({ result, amount: BigInt(number) }), options: KEPT },
    "keeps a NUL": { run: () => Promise.resolve(`${result}\0`), options: KEPT },
    "reports no JSON": { run: () => of({ progress, amount: BigInt(number) }, `${progress}\0`) },
    completes: { run: (_, context) => completeIn(pool, context) },
    logs: {
      run: (job, { log }) => {
        log.info({ job: job.id }, "a line of the handler");
        if (!careless) return;
        log.info({ payload: job.payload }, "a line that tells too much");
        throw new Error(`No luck with ${JSON.stringify(job.payload)}`);
      },
      options: ONCE,
    },
    "keeps what is refused": {
      run: () => Promise.resolve({ [REFUSED]: result }),
      options: KEPT,
      isStuck: true,
    },
    "is cancelled": { run: () => NEVER, isEndless: true },
  };
}
