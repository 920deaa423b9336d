import { OptionError, PayloadError, expected } from "./core/errors.ts";
import type { NewJob } from "./core/job.ts";
import { toJsonText } from "./core/payload.ts";
import { describeIssues, isUnchecked } from "./core/schema.ts";
import type { JobSchemas, ValidationIssue, ValidationResult } from "./core/schema.ts";
import { checkKinds } from "./handlers.ts";
import { KEEP_RESULT, checkJob } from "./job-options.ts";
import type { JobOptions } from "./job-options.ts";
import { DEFAULTS } from "./options.ts";
import { resolveBackoff } from "./settings.ts";

/** What the client adds to every job. */
export interface EnqueueDefaults {
  readonly jobs: JobSchemas;
  readonly maxAttempts: number;
  readonly maxPayloadBytes: number;
  /** How long results are kept by kind, for jobs that do not say, in milliseconds. */
  readonly keepResultMs?: Readonly<Record<string, number | undefined>> | undefined;
}

/**
 * Checks how long results of each kind are to be kept.
 *
 * @throws OptionError for a kind that nobody registered, and for what is no time.
 */
export function checkKeepResults(jobs: JobSchemas, given: EnqueueDefaults["keepResultMs"]): void {
  for (const [kind, value] of Object.entries(given ?? {})) {
    checkKinds(jobs, [kind]);
    if (value !== undefined && !KEEP_RESULT.holds(value)) {
      throw new OptionError(expected(`keepResultMs.${kind}`, KEEP_RESULT.is, value));
    }
  }
}

/**
 * Checks one job, whose options were checked each for itself, and makes it ready to be written; at once,
 * where no schema makes it wait.
 *
 * @throws OptionError for a kind or an option that breaks its rule.
 * @throws PayloadError for a payload that is no JSON or does not fit its schema.
 */
export function newJob(
  defaults: EnqueueDefaults,
  kind: unknown,
  payload: unknown,
  options: JobOptions,
): NewJob | Promise<NewJob> {
  checkJob(defaults.jobs, kind, options);
  const schema = defaults.jobs[kind];
  if (schema === undefined || isUnchecked(schema)) return jobOf(defaults, kind, payload, options);
  const accept = ({ issues }: ValidationResult<unknown>): NewJob => {
    if (issues !== undefined) throw unfit(kind, issues, payload);
    return jobOf(defaults, kind, payload, options);
  };
  const result = schema["~standard"].validate(payload);
  // Some libraries answer with what only behaves like a promise.
  return "then" in result ? Promise.resolve(result).then(accept) : accept(result);
}

/**
 * Does that for many. Waits for all before it refuses one: no rejection may be left to nobody.
 *
 * @throws OptionError, PayloadError
 */
export async function newJobs(
  defaults: EnqueueDefaults,
  specs: readonly (JobOptions & { readonly kind: unknown; readonly payload: unknown })[],
): Promise<readonly NewJob[]> {
  const jobs: NewJob[] = [];
  const made: Promise<unknown>[] = [];
  try {
    for (const [index, spec] of specs.entries()) {
      const job = newJob(defaults, spec.kind, spec.payload, spec);
      if (job instanceof Promise) made.push(job.then((value) => (jobs[index] = value)));
      else jobs[index] = job;
    }
  } catch (error) {
    await Promise.allSettled(made);
    throw error;
  }
  await Promise.all(made);
  return jobs;
}

/** The error for a payload that does not fit the schema of its kind. */
function unfit(kind: string, issues: readonly ValidationIssue[], payload: unknown): PayloadError {
  return new PayloadError(
    `The payload of a ${JSON.stringify(kind)} job does not fit its schema: ${describeIssues(issues, payload)}`,
  );
}

const NO_PARENTS: readonly string[] = [];

/**
 * Makes a job of what was checked, and of the defaults.
 *
 * @throws PayloadError for a payload that is no JSON.
 * @throws OptionError for a backoff that breaks its rule.
 */
function jobOf(defaults: EnqueueDefaults, kind: string, payload: unknown, options: JobOptions): NewJob {
  return {
    kind,
    queue: options.queue ?? DEFAULTS.queue,
    // As it came, not as the schema made it: the schema sees it again when it is claimed.
    payload: toJsonText(kind, payload, defaults.maxPayloadBytes),
    priority: options.priority ?? DEFAULTS.priority,
    delayMs: options.delayMs ?? 0,
    runAt: options.runAt,
    maxAttempts: options.maxAttempts ?? defaults.maxAttempts,
    source: options.source,
    timeoutMs: options.timeoutMs,
    backoff: options.backoff === undefined ? undefined : resolveBackoff(options.backoff),
    after: options.after === undefined ? NO_PARENTS : [...new Set(options.after)],
    afterFailure: options.afterFailure ?? "wait",
    keepResultMs: keepResultOf(defaults, kind, options),
    key: options.key,
  };
}

/** How long the result of a job is kept: as it says, or else as its kind does. */
function keepResultOf(
  { keepResultMs }: EnqueueDefaults,
  kind: string,
  options: JobOptions,
): number | undefined {
  // A kind called `constructor` must not find what every object has.
  const ofKind =
    keepResultMs !== undefined && Object.hasOwn(keepResultMs, kind) ? keepResultMs[kind] : undefined;
  return options.keepResultMs ?? ofKind;
}
