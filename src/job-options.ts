import { checkOptions, hiding, integer, milliseconds, rule } from "./core/check.ts";
import type { Rule } from "./core/check.ts";
import type { BackoffPolicy } from "./core/backoff.ts";
import { OptionError, expected, expectedType } from "./core/errors.ts";
import type { AfterFailure } from "./core/job.ts";
import { checkKey, checkName } from "./core/schema.ts";
import type { JobSchemas, KindOf, PayloadInput } from "./core/schema.ts";
import { unknownKind } from "./handlers.ts";
import { DEFAULTS } from "./options.ts";
import type { Transaction } from "./postgres/transaction.ts";

/** How a job is to be run. */
export interface JobOptions {
  /** The lane that it waits in. Default `"default"`. */
  readonly queue?: string | undefined;
  /** Lower runs first. Integer from -32,768 to 32,767. Default 0. */
  readonly priority?: number | undefined;
  /** Not before this moment of the database's clock. Default now. Excludes `delayMs`. */
  readonly runAt?: Date | undefined;
  /** Not before so many milliseconds from now, by the database's clock. Default 0. */
  readonly delayMs?: number | undefined;
  /** How many attempts it gets. Integer from 1 to 10,000. Default: the client's, which is 3. */
  readonly maxAttempts?: number | undefined;
  /** The id of the record that the job is about, for people and look-ups. */
  readonly source?: string | undefined;
  /** Milliseconds that an attempt may take. From 1. Default: the worker's. */
  readonly timeoutMs?: number | undefined;
  /** Its own retry policy, as data. Default: the worker's. */
  readonly backoff?: Partial<BackoffPolicy> | undefined;
  /** Ids of jobs that must have succeeded before this one runs. An id that is gone has succeeded; one that no job has had yet is refused. */
  readonly after?: readonly string[] | undefined;
  /**
   * What happens when one of `after` fails for good. `wait`: nothing, so that a retry of that job
   * revives this one. `run`: it counts as done. `fail`: this job fails too. Default `wait`.
   */
  readonly afterFailure?: AfterFailure | undefined;
  /**
   * Milliseconds that its result is kept after it succeeded, for `watch` and `result`. From 1.
   * Default: the client's for its kind; without that, none is kept, and the job leaves no trace.
   */
  readonly keepResultMs?: number | undefined;
  /**
   * The job is written only if no job of this key has a row in the schema, whatever its kind and
   * queue: so enqueueing again, after an error that leaves open whether the first time was committed,
   * is harmless. A text of 1 to 200 characters. Default none.
   *
   * A key is free again when its job loses its row: when it succeeded and its result has expired
   * (at once where none is kept), or was deleted. A job that failed or was cancelled keeps its key.
   */
  readonly key?: string | undefined;
}

/** Where jobs are written. */
export interface EnqueueTarget {
  /**
   * The app's own open transaction: anything with `query(text, values)`. The jobs exist when it
   * commits, and never if it does not. Default: at once, durably.
   */
  readonly tx?: Transaction | undefined;
}

/** A job that is written unless a job of its key is there: see `JobOptions.key`. */
export interface KeyedOptions extends JobOptions {
  /** See `JobOptions.key`. A text of 1 to 200 characters. */
  readonly key: string;
}

/** One job of `enqueueMany`. */
export type JobSpec<Jobs extends JobSchemas> = {
  readonly [Kind in KindOf<Jobs>]: JobOptions & {
    readonly kind: Kind;
    readonly payload: PayloadInput<Jobs[Kind]>;
  };
}[KindOf<Jobs>];

/** How long a result may be kept, for a job and for a kind. */
export const KEEP_RESULT: Rule = milliseconds(1);

const ID = /^[1-9][0-9]{0,18}$/;

const JOB_RULES: Readonly<Record<string, Rule>> = {
  queue: rule("a text", (value) => typeof value === "string"),
  priority: integer(-32_768, 32_767),
  runAt: rule("a valid Date between the years 1970 and 9999", isDate),
  delayMs: milliseconds(0),
  maxAttempts: integer(1, 10_000),
  source: rule("a text", (value) => typeof value === "string"),
  key: hiding(rule("a text", (value) => typeof value === "string")),
  timeoutMs: milliseconds(1),
  backoff: rule("a backoff policy", (value) => typeof value === "object" && value !== null),
  after: rule("an array of job ids (decimal texts)", (value) => Array.isArray(value) && value.every(isId)),
  keepResultMs: KEEP_RESULT,
  afterFailure: rule(
    '"wait", "run" or "fail"',
    (value) => value === "wait" || value === "run" || value === "fail",
  ),
};

const TRANSACTION = rule(
  "an open transaction with a query(text, values) method (a client of a pool, not the pool)",
  isTransaction,
);

const ENQUEUE_RULES: Readonly<Record<string, Rule>> = { ...JOB_RULES, tx: TRANSACTION };

/** `newJob` checks kind and payload; here they only have to be known. */
const ANY = rule("anything", () => true);

const SPEC_RULES: Readonly<Record<string, Rule>> = { kind: ANY, payload: ANY, ...JOB_RULES };

/**
 * Checks the options of `enqueue` and gives them back. A misspelt `tx` must not write outside of the transaction.
 *
 * @throws OptionError
 */
export function checkedOptions(options: JobOptions & EnqueueTarget): JobOptions & EnqueueTarget {
  checkOptions("job options", options, ENQUEUE_RULES);
  return options;
}

/**
 * Checks the options of `enqueueOnce`, which must have a key.
 *
 * @throws OptionError
 */
export function checkedKeyed(options: KeyedOptions & EnqueueTarget): KeyedOptions & EnqueueTarget {
  checkOptions("job options", options, ENQUEUE_RULES);
  checkKey(options.key);
  return options;
}

/**
 * Checks the arguments of `enqueueMany`.
 *
 * @throws OptionError
 */
export function checkSpecs(jobs: unknown, target: unknown): void {
  if (!Array.isArray(jobs)) throw new OptionError(expectedType("jobs", "an array", jobs));
  jobs.forEach((job: unknown, index) => checkOptions(`jobs[${index}]`, job, SPEC_RULES));
  checkOptions("target", target, { tx: TRANSACTION });
}

/**
 * Checks the options of a job, each for itself.
 *
 * @throws OptionError
 */
export function checkJobOptions(options: unknown): asserts options is JobOptions {
  checkOptions("job options", options, JOB_RULES);
}

/**
 * Checks the kind of a job, and of options that are each right by themselves what they say together.
 *
 * @throws OptionError for what breaks its rule.
 */
export function checkJob(jobs: JobSchemas, kind: unknown, options: JobOptions): asserts kind is string {
  if (typeof kind !== "string" || !Object.hasOwn(jobs, kind)) throw new OptionError(unknownKind(jobs, kind));
  if (options.runAt !== undefined && options.delayMs !== undefined) {
    throw new OptionError("Expected `runAt` or `delayMs`, got both");
  }
  checkName("queue", options.queue ?? DEFAULTS.queue);
  if (options.source !== undefined) checkName("source", options.source);
  if (options.key !== undefined) checkKey(options.key);
}

/**
 * Checks a job id.
 *
 * @throws OptionError
 */
export function checkId(id: unknown): asserts id is string {
  if (!isId(id)) throw new OptionError(expected("id", "a job id (a decimal text)", id));
}

/**
 * Checks a transaction.
 *
 * @throws OptionError
 */
export function checkTransaction(tx: unknown): asserts tx is Transaction {
  if (!TRANSACTION.holds(tx)) throw new OptionError(expected("tx", TRANSACTION.is, tx));
}

function isTransaction(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  // Each query of a pool may go to another connection, and commits by itself.
  if ("idleCount" in value && "totalCount" in value && typeof value.totalCount === "number") return false;
  return "query" in value && typeof value.query === "function";
}

function isId(value: unknown): boolean {
  return typeof value === "string" && ID.test(value) && BigInt(value) <= 9_223_372_036_854_775_807n;
}

function isDate(value: unknown): boolean {
  if (!(value instanceof Date)) return false;
  const year = value.getTime() / (365.25 * 24 * 3_600_000) + 1970;
  return year >= 1970 && year < 10_000;
}
