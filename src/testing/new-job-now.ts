import { OptionError } from "../core/errors.ts";
import type { NewJob } from "../core/job.ts";
import { isUnchecked } from "../core/schema.ts";
import type { PayloadSchema } from "../core/schema.ts";
import { jobOf, unfit } from "../enqueue.ts";
import type { EnqueueDefaults } from "../enqueue.ts";
import { checkJob, checkJobOptions } from "../job-options.ts";
import type { JobOptions } from "../job-options.ts";
import { isThenable } from "./thenable.ts";

/**
 * `newJob` of `enqueue.ts` without its promise, which would not settle in virtual time. A test holds
 * the two to the same answers and the same errors.
 *
 * @throws OptionError for a kind or an option that breaks its rule, for a schema that is asynchronous.
 * @throws PayloadError for a payload that is no JSON or does not fit its schema.
 */
export function newJobNow(
  defaults: EnqueueDefaults,
  kind: unknown,
  payload: unknown,
  options: JobOptions,
): NewJob {
  checkJobOptions(options);
  checkJob(defaults.jobs, kind, options);
  const schema = defaults.jobs[kind];
  if (schema !== undefined) checkPayload(kind, schema, payload);
  return jobOf(defaults, kind, payload, options);
}

function checkPayload(kind: string, schema: PayloadSchema, payload: unknown): void {
  if (isUnchecked(schema)) return;
  const result = schema["~standard"].validate(payload);
  if (isThenable(result)) {
    result.then(undefined, () => undefined);
    throw new OptionError(asyncSchema(kind));
  }
  if (result.issues !== undefined) throw unfit(kind, result.issues, payload);
}

/** The message for a schema that answers with a promise. */
export function asyncSchema(kind: string): string {
  return (
    `The schema of ${JSON.stringify(kind)} checks asynchronously, and promises do not settle in virtual time: ` +
    "give the virtual worker a schema that answers at once"
  );
}
